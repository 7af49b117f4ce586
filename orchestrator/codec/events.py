"""What happens to a running deployment, as messages of orchestrator.v1."""

from __future__ import annotations

from typing import assert_never

from orchestrator.codec.deployment import (
    fault_from_message,
    fault_to_message,
    link_from_message,
    link_to_message,
    pod_from_message,
    pod_to_message,
)
from orchestrator.codec.steps import (
    rollout_from_message,
    rollout_to_message,
    step_from_message,
    step_to_message,
)
from orchestrator.codec.times import US
from orchestrator.events.happenings import EventFacts
from orchestrator.views.deployment import (
    DeploymentEvent,
    DeploymentHappening,
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
)
from pod_node.status import EventsLost, Synced
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.codec import (
    attempt_from_message,
    attempt_to_message,
    ended_from_message,
    ended_to_message,
)
from vnet.egress import EgressAttempt, EgressEnded
from vnet.errors import InvalidMessageError


def event_to_message(event: DeploymentEvent) -> pb.EventsResponse:
    """Write one event."""
    facts = event.facts
    message = pb.EventsResponse(
        sequence=event.sequence,
        time_unix_us=round(event.time_s * US),
        text=event.text,
        type=facts.type,
        action=facts.action,
        service=facts.service,
        pod_name=facts.pod,
        attributes=facts.attributes,
    )
    happening = event.happening
    if isinstance(happening, (PodDropped, PlanTaken, RolloutShown, NodeGone)):
        _write_plan(message, happening)
        return message
    match happening:
        case PodShown(view):
            message.pod.CopyFrom(pod_to_message(view))
        case LinkShown(link):
            message.link.CopyFrom(link_to_message(link))
        case FaultBegun(fault):
            message.fault_begun.CopyFrom(fault_to_message(fault))
        case FaultEnded(name):
            message.fault_ended = name
        case Remarked(failure):
            message.remark.failure = failure
            message.remark.SetInParent()
        case EgressAttempt() as attempt:
            message.egress_attempt.CopyFrom(attempt_to_message(attempt))
        case EgressEnded() as ended:
            message.egress_ended.CopyFrom(ended_to_message(ended))
        case Refused(peer, reason):
            message.refused.peer = peer
            message.refused.reason = reason
        case Synced():
            message.synced.SetInParent()
        case EventsLost(count):
            message.events_lost.count = count
            message.events_lost.SetInParent()
        case _:
            assert_never(happening)
    return message


def _write_plan(
    message: pb.EventsResponse, happening: PodDropped | PlanTaken | RolloutShown | NodeGone
) -> None:
    match happening:
        case PodDropped(pod):
            message.pod_removed = pod
        case PlanTaken(steps, revision):
            message.planned.steps.extend(map(step_to_message, steps))
            message.planned.revision = revision
            message.planned.SetInParent()
        case RolloutShown(rollout):
            message.rollout.CopyFrom(rollout_to_message(rollout))
        case NodeGone(reason):
            message.node_lost = reason
        case _:
            assert_never(happening)


def event_from_message(message: pb.EventsResponse) -> DeploymentEvent:
    """Read one event."""
    return DeploymentEvent(
        sequence=message.sequence,
        time_s=message.time_unix_us / US,
        text=message.text,
        happening=_happening(message),
        facts=EventFacts(
            type=message.type,
            action=message.action,
            service=message.service,
            pod=message.pod_name,
            attributes=dict(message.attributes),
        ),
    )


def _happening(message: pb.EventsResponse) -> DeploymentHappening:
    which = message.WhichOneof("event")
    if which in ("pod_removed", "planned", "rollout", "node_lost"):
        return _read_plan(message, which)
    match which:
        case "pod":
            return PodShown(pod_from_message(message.pod))
        case "link":
            return LinkShown(link_from_message(message.link))
        case "fault_begun":
            return FaultBegun(fault_from_message(message.fault_begun))
        case "fault_ended":
            return FaultEnded(message.fault_ended)
        case "remark":
            return Remarked(message.remark.failure)
        case "egress_attempt":
            return attempt_from_message(message.egress_attempt)
        case "egress_ended":
            return ended_from_message(message.egress_ended)
        case "refused":
            return Refused(message.refused.peer, message.refused.reason)
        case "synced":
            return Synced()
        case "events_lost":
            return EventsLost(message.events_lost.count)
        case _:
            raise InvalidMessageError("event", "is missing")


def _read_plan(message: pb.EventsResponse, which: str) -> DeploymentHappening:
    match which:
        case "pod_removed":
            return PodDropped(message.pod_removed)
        case "planned":
            steps = tuple(map(step_from_message, message.planned.steps))
            return PlanTaken(steps, message.planned.revision)
        case "rollout":
            return RolloutShown(rollout_from_message(message.rollout))
        case _:
            return NodeGone(message.node_lost)
