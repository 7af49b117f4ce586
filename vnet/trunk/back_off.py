"""How long a node waits before it dials another one again. Pure."""

from __future__ import annotations

FIRST_S, MOST_S = 0.05, 2.0
WELL_S = 5.0
"""A stream that lasted for so long was no failed attempt: what follows begins anew."""


class BackOff:
    """Doubles the wait from attempt to attempt, up to a bound."""

    def __init__(self) -> None:
        self._wait_s = FIRST_S

    def next_s(self, lasted_s: float, luck: float) -> float:
        """Say how long to wait after an attempt, or a stream, that lasted so long.

        Args:
            lasted_s: How long.
            luck: From 0 to 1: takes off up to a half, so that not all nodes dial at once.
        """
        if lasted_s > WELL_S:
            self._wait_s = FIRST_S
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, MOST_S)
        return wait_s * (1 - luck / 2)
