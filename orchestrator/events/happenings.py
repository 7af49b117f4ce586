"""What happens to a deployment, in words for programs: a type, an action, and attributes.

Owns these words; docs/events.md lists them, and what is once there never changes its meaning. What
people read is `wording.py`'s business. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.topology.link_text import summary
from orchestrator.views.deployment import (
    FaultBegun,
    FaultEnded,
    LinkShown,
    NodeGone,
    PlanTaken,
    PodDropped,
    PodShown,
    Refused,
    Remarked,
    RolloutShown,
    Synced,
)
from pod_node.status import EventsLost
from vnet.configuration import FaultKind
from vnet.egress import EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.deployment import DeploymentHappening, FaultView, LinkView
    from orchestrator.views.phases import PodView

TYPES = ("access", "deployment", "egress", "fault", "link", "node", "pod", "service")
_KINDS = {FaultKind.CUT: "partition", FaultKind.HOLD: "hold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """An event as programs see it."""

    type: str
    """One of `TYPES`."""
    action: str
    service: str = ""
    """Empty when it is not about one."""
    pod: str = ""
    """Empty when it is not about one."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    concerned: tuple[str, ...] = ()
    """Services and pods that it concerns besides."""

    def concerns(self, members: Collection[str]) -> bool:
        """Tell whether it is about one of some services or pods."""
        names = {self.service, self.pod, *self.concerned}
        names |= {name.rpartition("-")[0] for name in self.concerned}
        return not names.isdisjoint(members)


def facts_of(happening: DeploymentHappening, before: PodView | None = None) -> EventFacts:
    """Say what happened in words for programs.

    Args:
        happening: What happened.
        before: The pod that it is about as it was before, if that is known.
    """
    if isinstance(happening, (PodDropped, PlanTaken, RolloutShown, NodeGone)):
        return _plan_facts(happening)
    match happening:
        case PodShown(view):
            return _pod_facts(_action(view, before), view)
        case LinkShown(link):
            return _link_facts("changed", link)
        case FaultBegun(fault):
            return _fault_facts("begun", fault)
        case FaultEnded(name):
            return EventFacts(type="fault", action="ended", attributes={"name": name})
        case EgressAttempt():
            return _attempt_facts(happening)
        case EgressEnded():
            return _ended_facts(happening)
        case Remarked(failure):
            return EventFacts(type="deployment", action="failure" if failure else "remark")
        case Refused(peer, reason):
            attributes = {"peer": peer, "reason": reason}
            return EventFacts(type="access", action="refused", attributes=attributes)
        case Synced():
            return EventFacts(type="deployment", action="synced")
        case EventsLost(count):
            attributes = {"count": str(count)}
            return EventFacts(type="deployment", action="events-lost", attributes=attributes)


def existing(happening: PodShown | LinkShown | FaultBegun) -> EventFacts:
    """Say that something stands so when somebody begins to listen."""
    match happening:
        case PodShown(view):
            return _pod_facts("existing", view)
        case LinkShown(link):
            return _link_facts("existing", link)
        case FaultBegun(fault):
            return _fault_facts("existing", fault)


def _action(view: PodView, before: PodView | None) -> str:
    if before is not None and view.phase is before.phase:
        if view.paused is not before.paused:
            return "paused" if view.paused else "resumed"
        if view.full_disk != before.full_disk and view.full_disk:
            return "disk-full"
        if view.restarts == before.restarts:
            return "updated"
    return view.phase.value


def _pod_facts(action: str, view: PodView) -> EventFacts:
    facts = {
        "phase": view.phase.value,
        "reason": view.reason,
        "restarts": str(view.restarts),
        "image": view.spec.image,
        "paused": "true" if view.paused else "",
        "full_disk": view.full_disk,
        "exit_status": "" if view.exit is None else str(view.exit.status),
        "exit_kind": "" if view.exit is None else view.exit.kind.value,
        "boot_s": _seconds(view.boot_s),
        "ready_s": _seconds(view.ready_s),
    }
    return EventFacts(
        type="pod",
        action=action,
        service=view.spec.service,
        pod=view.spec.name,
        attributes=_filled(facts),
    )


def _link_facts(action: str, view: LinkView) -> EventFacts:
    attributes = {
        "name": view.name,
        "first": view.first,
        "second": view.second,
        "network": view.network,
        "forward": summary(view.forward) or "perfect",
        "backward": summary(view.backward) or "perfect",
        "remaining_s": _seconds(view.remaining_s),
    }
    return EventFacts(
        type="link",
        action=action,
        attributes=_filled(attributes),
        concerned=(view.first, view.second),
    )


def _fault_facts(action: str, view: FaultView) -> EventFacts:
    attributes = {
        "name": view.name,
        "kind": _KINDS[view.kind],
        "sides": " | ".join(", ".join(side) for side in view.sides),
        "one_way": "true" if view.oneway else "",
        "remaining_s": _seconds(view.remaining_s),
    }
    return EventFacts(
        type="fault",
        action=action,
        attributes=_filled(attributes),
        concerned=tuple(member for side in view.sides for member in side),
    )


def _attempt_facts(attempt: EgressAttempt) -> EventFacts:
    attributes = {
        "number": str(attempt.number),
        "target": attempt.target,
        "port": str(attempt.port or ""),
        "address": attempt.address,
        "rule": attempt.rule,
        "reason": attempt.reason,
        "duration_s": _seconds(attempt.duration_s),
    }
    return EventFacts(
        type="egress",
        action=attempt.decision.value,
        service=attempt.service,
        pod=attempt.pod,
        attributes=_filled(attributes),
    )


def _ended_facts(ended: EgressEnded) -> EventFacts:
    attributes = {
        "number": str(ended.number),
        "target": ended.target,
        "port": str(ended.port),
        "ending": ended.ending.value,
        "sent_bytes": str(ended.sent_bytes),
        "received_bytes": str(ended.received_bytes),
        "duration_s": _seconds(ended.duration_s),
    }
    return EventFacts(
        type="egress",
        action="ended",
        service=ended.service,
        pod=ended.pod,
        attributes=attributes,
    )


def _plan_facts(happening: PodDropped | PlanTaken | RolloutShown | NodeGone) -> EventFacts:
    match happening:
        case PodDropped(pod):
            service = pod.rpartition("-")[0]
            return EventFacts(type="pod", action="removed", service=service, pod=pod)
        case PlanTaken(steps, revision):
            attributes = {"revision": str(revision), "steps": str(len(steps))}
            return EventFacts(type="deployment", action="planned", attributes=attributes)
        case RolloutShown(rollout):
            return _rollout_facts(rollout)
        case NodeGone(reason):
            return EventFacts(type="node", action="lost", attributes={"reason": reason})


def _rollout_facts(view: RolloutView) -> EventFacts:
    attributes = {
        "updated_pods": str(view.updated),
        "total_pods": str(view.total),
        "revision": str(view.revision),
        "reason": view.reason,
    }
    return EventFacts(
        type="service",
        action=view.state.value.replace(" ", "-"),
        service=view.service,
        attributes=_filled(attributes),
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _filled(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}
