"""The values of the state machine: what it holds of one pod, and what others are told of that.

Owns an entry for each pod, and the tally of those that are not where they should be. Changes
nothing by itself: that is `pods.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from orchestrator.desired.plan import PlannedPod
from orchestrator.desired.reconcile import ObservedPod
from orchestrator.topology.values import RestartPolicy
from orchestrator.views.phases import Phase, full_text
from pod_node.health import Health

if TYPE_CHECKING:
    from orchestrator.lifecycle.restart import RestartTimer
    from orchestrator.views.phases import PodView
    from pod_node.spec import PodSpec
    from pod_node.status import PodStatus

_SETTLED = (Phase.HEALTHY, Phase.UNHEALTHY, Phase.CRASH_LOOP)
HEALTH_PHASES = {Health.HEALTHY: Phase.HEALTHY, Health.UNHEALTHY: Phase.UNHEALTHY}


class Fate(Enum):
    """What follows the end of a pod that was asked to end."""

    POLICY = "policy"
    """Nobody asked: its restart policy decides."""
    BOOT = "boot"
    STOP = "stop"
    REMOVE = "remove"


@dataclass(slots=True)
class Entry:
    """One pod of the deployment."""

    planned: PlannedPod
    view: PodView
    timer: RestartTimer
    fate: Fate = Fate.POLICY
    booted: bool = False
    """Whether the node has a pod of this name, alive or ended."""
    lost: bool = False
    """Whether it went with its node."""
    generation: int = 0
    started_at: float = 0.0
    has_run: bool = False
    unjudged: PodStatus | None = None
    """How it ended while nobody looked."""
    note: str = ""
    """Why it had to be started again, for as long as it runs."""

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.planned.spec.name

    def remark(self, full_disk: str = "") -> str:
        """Say what there is to say of it although it runs.

        Args:
            full_disk: Which of its folders is full; empty takes what is known of that.
        """
        full = full_disk or self.view.full_disk
        return "; ".join(filter(None, (self.note, full and full_text(self.view.spec, full))))


@dataclass(slots=True)
class Tally:
    """Which pods are not where they should be, kept up to date with each change."""

    unsettled: set[str] = field(default_factory=set)
    unstarted: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    failed: dict[str, None] = field(default_factory=dict)
    outdated: dict[str, set[str]] = field(default_factory=dict)
    """By service."""

    def take(self, view: PodView) -> None:
        """Take note of how a pod is."""
        name, phase = view.spec.name, view.phase
        settled = phase.final or phase in _SETTLED or view.ready
        started = not phase.pending and phase not in (Phase.STARTING, Phase.STOPPING)
        finished = phase.final and phase is not Phase.STOPPED
        for names, within in (
            (self.unsettled, not settled),
            (self.unstarted, not started),
            (self.unfinished, not finished),
        ):
            if within:
                names.add(name)
            else:
                names.discard(name)
        if phase in (Phase.FAILED, Phase.BLOCKED):
            self.failed[name] = None
        else:
            self.failed.pop(name, None)
        if view.outdated:
            self.outdated.setdefault(view.spec.service, set()).add(name)
        else:
            self.outdated.get(view.spec.service, set()).discard(name)

    def drop(self, name: str) -> None:
        """Forget a pod."""
        for names in (self.unsettled, self.unstarted, self.unfinished, *self.outdated.values()):
            names.discard(name)
        self.failed.pop(name, None)


def orphan(spec: PodSpec) -> PlannedPod:
    """What is known of a pod that no plan has."""
    return PlannedPod(spec=spec, replica=0, names=(), depends_on=(), restart=RestartPolicy())


def is_outdated(entry: Entry) -> bool:
    """Whether a pod runs something else than what is planned."""
    return entry.view.phase.alive and entry.view.spec != entry.planned.spec


def observed_pod(entry: Entry) -> ObservedPod:
    """Say what a pod is, or will be when what is under way is done."""
    phase = entry.view.phase
    renewed = entry.fate is Fate.BOOT
    stopping = entry.fate is Fate.STOP or phase is Phase.STOPPED
    return ObservedPod(
        spec=entry.planned.spec if renewed and entry.planned.replica else entry.view.spec,
        phase=phase,
        succeeded=entry.view.succeeded,
        leaving=entry.fate is Fate.REMOVE,
        stopping=stopping,
        generation=entry.generation,
        renewing=renewed or phase.pending or phase is Phase.STARTING,
    )
