"""When it pays to wait for a pod's answer on the spot, instead of going back to the event loop.

A pod that is asked something often answers within the time that two threads take to wake each
other. Whoever waits for it meanwhile keeps everybody else waiting, so a wait that was in vain is
followed by some that are not waited for: one, then two, four, up to a bound, until one succeeds.
"""

from __future__ import annotations

PENALTY_MOST = 64


class Patience:
    """Decides about the next wait by how those before it went."""

    def __init__(self) -> None:
        self._penalty = self._skips = 0

    def is_worth_it(self) -> bool:
        """Decide about one occasion to wait."""
        if self._skips:
            self._skips -= 1
            return False
        return True

    def judge(self, *, succeeded: bool) -> None:
        """Learn how a wait went."""
        self._penalty = 0 if succeeded else min(max(2 * self._penalty, 1), PENALTY_MOST)
        self._skips = self._penalty
