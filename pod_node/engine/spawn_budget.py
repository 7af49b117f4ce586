"""How often the processes of one pod may spawn: a token bucket. Measures no time itself."""

from __future__ import annotations

BURST = 64
"""Spawns at once: as many as a pod may have processes by default."""
RATE_PER_S = 25.0
"""Spawns of a pod that never stops spawning. Each costs the node some 5 ms, which it takes from all
pods: more would be an eighth of the node's time."""


class SpawnBudget:
    """What one pod has left."""

    __slots__ = ("_left", "_now")

    def __init__(self, now: float) -> None:
        """Begin full; `now` is in seconds on any clock that does not go back."""
        self._left = float(BURST)
        self._now = now

    def delay_s(self, now: float) -> float:
        """Return after how many seconds the next spawn may be; 0 for now."""
        self._refill(now)
        return 0.0 if self._left >= 1 else (1 - self._left) / RATE_PER_S

    def take(self, now: float) -> None:
        """Count one spawn."""
        self._refill(now)
        self._left -= 1

    def _refill(self, now: float) -> None:
        self._left = min(float(BURST), self._left + (now - self._now) * RATE_PER_S)
        self._now = now
