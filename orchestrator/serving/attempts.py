"""How often somebody may be wrong about a token: a bucket of attempts for each address.

Owns the arithmetic; time is an argument. Pure.
"""

from __future__ import annotations

from collections import OrderedDict

BURST = 10
"""Wrong tokens from one address before it has to wait: a person's typing errors, or a restart of
something with an old token."""
REFILL_S = 1.0
"""After so long one more is allowed."""
ADDRESSES_MOST = 4096
"""Addresses that are remembered; the one that was wrong longest ago is forgotten first."""


class Attempts:
    """Wrong attempts by address."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """How many were left when, the latest last."""

    def wait_s(self, address: str, now: float) -> float:
        """Say how long an address must wait until it may try again; 0 lets it."""
        left = self._left(address, now)
        return 0.0 if left >= 1.0 else (1.0 - left) * REFILL_S

    def failed(self, address: str, now: float) -> None:
        """Take note of a wrong attempt."""
        self._buckets[address] = (self._left(address, now) - 1.0, now)
        self._buckets.move_to_end(address)
        if len(self._buckets) > ADDRESSES_MOST:
            self._buckets.popitem(last=False)

    def _left(self, address: str, now: float) -> float:
        left, then = self._buckets.get(address, (float(BURST), now))
        return min(float(BURST), left + max(0.0, now - then) / REFILL_S)
