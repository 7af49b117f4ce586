"""Whether the conditions of `depends_on` hold, and if not, whether they still can.

Owns the verdict on each pair of a service and a condition, which many pods may wait for, and
remembers it until a pod of that service changes. Follows Compose: who waits for something that
turned unhealthy, or ended for good, is blocked until that changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from orchestrator.phases import Phase
from orchestrator.plan import Condition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.lifecycle.entries import Entry
    from orchestrator.phases import PodView
    from orchestrator.plan import Dependency


class Verdicts:
    """What is known of the conditions that pods wait for."""

    def __init__(self) -> None:
        """Begin without knowing any."""
        self._known: dict[tuple[str, Condition], bool | str] = {}

    def verdict(
        self, dependency: Dependency, services: Mapping[str, Mapping[str, Entry]]
    ) -> bool | str:
        """Say whether a condition holds, or, while it cannot, why."""
        key = dependency.service, dependency.condition
        if key not in self._known:
            entries = services.get(dependency.service, {}).values()
            self._known[key] = judge(entries, dependency.condition)
        return self._known[key]

    def forget(self, service: str) -> None:
        """Look anew at a service, of which a pod has changed."""
        for condition in Condition:
            self._known.pop((service, condition), None)

    def clear(self) -> None:
        """Look anew at all services."""
        self._known.clear()


def judge(entries: Collection[Entry], condition: Condition) -> bool | str:
    """Say whether all pods of a service meet a condition, or why one cannot."""
    for entry in entries:
        obstacle = obstacle_in(entry.view, condition)
        if obstacle:
            return obstacle
    return all(holds(entry, condition) for entry in entries)


def holds(entry: Entry, condition: Condition) -> bool:
    """Whether a pod meets a condition now."""
    match condition:
        case Condition.STARTED:
            return entry.has_run
        case Condition.HEALTHY:
            return entry.view.ready
        case Condition.COMPLETED:
            return entry.view.succeeded
        case _:
            assert_never(condition)


def obstacle_in(view: PodView, condition: Condition) -> str:
    """Say why a pod does not meet a condition and will not by itself; empty while it may."""
    failed = view.phase in (Phase.FAILED, Phase.BLOCKED)
    ended = view.phase is Phase.EXITED
    match condition:
        case Condition.STARTED:
            hopeless = failed
        case Condition.HEALTHY:
            hopeless = failed or ended or view.phase is Phase.UNHEALTHY
        case Condition.COMPLETED:
            hopeless = failed or (ended and not view.succeeded)
        case _:
            assert_never(condition)
    if not hopeless:
        return ""
    return f"{view.spec.name} is {view.state}" + (f": {view.reason}" if view.reason else "")
