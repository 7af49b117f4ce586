"""Whether the conditions of `depends_on` hold, and if not, whether they still can.

Owns the verdict on each pair of a service and a condition that somebody waits for, kept up to date
with each change to a pod, and who waits for it: so that a change costs the same however many pods
there are, until a verdict changes. Follows Compose: who waits for something that turned unhealthy,
or ended for good, is blocked until that changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, assert_never

from orchestrator.desired.plan import Condition
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.desired.plan import Dependency
    from orchestrator.lifecycle.entries import Entry
    from orchestrator.views.phases import PodView

Verdict: TypeAlias = "bool | str"
"""Whether a condition holds, or, while it cannot, why."""


@dataclass(slots=True)
class _Standing:
    """How one service stands to one condition."""

    waiting: list[str] = field(default_factory=list)
    """Pods that depend on it."""
    unmet: set[str] = field(default_factory=set)
    """Pods of the service that do not meet it now."""
    obstacles: dict[str, str] = field(default_factory=dict)
    """Why some of those will not by themselves, by pod; the first came first."""

    @property
    def verdict(self) -> Verdict:
        return next(iter(self.obstacles.values()), not self.unmet)

    def take(self, entry: Entry, condition: Condition) -> None:
        name = entry.name
        if holds(entry, condition):
            self.unmet.discard(name)
        else:
            self.unmet.add(name)
        obstacle = obstacle_in(entry.view, condition)
        if obstacle:
            self.obstacles[name] = obstacle
        else:
            self.obstacles.pop(name, None)

    def drop(self, name: str) -> None:
        self.unmet.discard(name)
        self.obstacles.pop(name, None)


class Dependencies:
    """What pods of one deployment wait for, and whether it is so."""

    def __init__(self) -> None:
        """Begin without anybody waiting."""
        self._standings: dict[str, dict[Condition, _Standing]] = {}

    def rebuild(
        self, entries: Iterable[Entry], services: Mapping[str, Mapping[str, Entry]]
    ) -> None:
        """Begin anew with what pods depend on now.

        Args:
            entries: All pods.
            services: The same by service and name.
        """
        self._standings = {}
        for entry in entries:
            for dependency in entry.planned.depends_on:
                standings = self._standings.setdefault(dependency.service, {})
                standing = standings.setdefault(dependency.condition, _Standing())
                standing.waiting.append(entry.name)
        for service, standings in self._standings.items():
            for condition, standing in standings.items():
                for entry in services.get(service, {}).values():
                    standing.take(entry, condition)

    def verdict(self, dependency: Dependency) -> Verdict:
        """Say whether a condition holds, or, while it cannot, why."""
        return self._standings[dependency.service][dependency.condition].verdict

    def take(self, entry: Entry) -> list[str]:
        """Take note of how a pod is; return the pods that have to look again."""
        concerned = []
        for condition, standing in self._standings.get(entry.planned.spec.service, {}).items():
            before = standing.verdict
            standing.take(entry, condition)
            if standing.verdict != before:
                concerned += standing.waiting
        return concerned

    def drop(self, entry: Entry) -> list[str]:
        """Forget a pod; return the pods that have to look again."""
        concerned = []
        for standing in self._standings.get(entry.planned.spec.service, {}).values():
            before = standing.verdict
            standing.drop(entry.name)
            if standing.verdict != before:
                concerned += standing.waiting
        return concerned


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
