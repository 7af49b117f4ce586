"""A guest's share of a processor, counted as Linux's bandwidth control of cgroups does.

In each period a guest may compute for its quota. When that is used up it waits for the next period;
what it used beyond, because it is asked only now and then, is taken from the periods to come. What
it leaves is not saved. Measures no time itself.
"""

from __future__ import annotations

PERIOD_S = 0.1
"""Linux's default: long enough to compute in one piece, and short for whoever waits."""


class Bandwidth:
    """What one guest has left."""

    __slots__ = ("_begin", "_left_s", "_period", "_quota_s", "_used_s")

    def __init__(self, cpus: float, now: float) -> None:
        """Begin a first period.

        Args:
            cpus: processors' worth of time, more than 0.
            now: seconds on any clock that does not go back.
        """
        self._quota_s = self._left_s = cpus * PERIOD_S
        self._begin = now
        self._period = 0
        self._used_s = 0.0

    def charge(self, used_s: float, now: float) -> float:
        """Return for how many seconds the guest must wait; 0 when it may compute.

        Args:
            used_s: all CPU time that it has had so far.
            now: the time, on the clock of the beginning.
        """
        period = int((now - self._begin) / PERIOD_S)
        refill = (period - self._period) * self._quota_s
        self._left_s = min(self._left_s - (used_s - self._used_s) + refill, self._quota_s)
        self._used_s, self._period = used_s, period
        if self._left_s > 0:
            return 0.0
        periods = int(-self._left_s / self._quota_s) + 1
        return self._begin + (period + periods) * PERIOD_S - now
