"""Whether what was declared last has started, and whether it has settled.

Owns that each is told once for each plan, and not of the plan before.
"""

from __future__ import annotations

from enum import Enum


class Milestone(Enum):
    """Where a plan has come to."""

    STARTED = "started"
    SETTLED = "settled"
    FIRST_SETTLED = "first settled"
    """It is the first of all plans to have settled; told along with that."""


class Milestones:
    """How far one deployment has come with what is declared."""

    def __init__(self) -> None:
        """Wait for the first plan."""
        self._awaited_plan = 1
        self._has_started = self._has_settled = False
        self.had_settled = False
        """Whether any plan ever has."""

    def expect(self, plan: int) -> None:
        """Wait for a plan, which is the so many-th."""
        self._awaited_plan = plan
        self.go_on()

    def hold_back(self) -> None:
        """Tell nothing of this plan any more: another follows from it."""
        self._has_started = self._has_settled = True

    def go_on(self) -> None:
        """Tell of this plan, after all or again."""
        self._has_started = self._has_settled = False

    def is_awaiting(self, plans: int) -> bool:
        """Whether the plan has not come yet."""
        return plans < self._awaited_plan

    def passed(self, *, settled: bool) -> list[Milestone]:
        """Say what is reached for the first time by a deployment that has started."""
        passed = []
        if not self._has_started:
            self._has_started = True
            passed.append(Milestone.STARTED)
        if not self._has_settled and settled:
            self._has_settled = True
            passed.append(Milestone.SETTLED)
            if not self.had_settled:
                self.had_settled = True
                passed.append(Milestone.FIRST_SETTLED)
        return passed
