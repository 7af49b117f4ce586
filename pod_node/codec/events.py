"""What happens on a node, as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from pod_node.codec.pods import (
    HEALTHS,
    STATES,
    exit_from_message,
    exit_to_message,
    health_to_message,
    pod_from_message,
    pod_to_message,
)
from pod_node.codec.times import US, to_us
from pod_node.status import (
    EventsLost,
    LogNotice,
    NodeEvent,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
    Synced,
)
from protos.node.v1 import node_pb2 as pb
from vnet.codec import (
    attempt_from_message,
    attempt_to_message,
    ended_from_message,
    ended_to_message,
    fields,
)
from vnet.egress import EgressAttempt, EgressEnded
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pod_node.status import Happening


def event_to_message(event: NodeEvent) -> pb.WatchResponse:
    """Write one event."""
    message = pb.WatchResponse(sequence=event.sequence, time_unix_us=to_us(event.time_s))
    match event.happening:
        case PodExisting(status=status):
            message.existing.CopyFrom(pod_to_message(status))
        case Synced():
            message.synced.SetInParent()
        case PodStateChanged() as change:
            message.state_changed.pod = change.pod
            message.state_changed.generation = change.generation
            message.state_changed.state = STATES[change.state]
            message.state_changed.boot_duration_us = to_us(change.boot_s)
        case PodHealthChanged() as verdict:
            message.health_changed.pod = verdict.pod
            message.health_changed.generation = verdict.generation
            message.health_changed.health = health_to_message(verdict.health)
            message.health_changed.reason = verdict.reason
        case PodPauseChanged() as pause:
            message.pause_changed.pod = pause.pod
            message.pause_changed.generation = pause.generation
            message.pause_changed.paused = pause.paused
        case PodDiskFull() as full:
            message.disk_full.pod = full.pod
            message.disk_full.generation = full.generation
            message.disk_full.target = full.target
        case PodExited() as exited:
            message.exited.pod = exited.pod
            message.exited.generation = exited.generation
            message.exited.exit.CopyFrom(exit_to_message(exited.exit))
            message.exited.last_error_line = exited.last_error_line
        case LogNotice(pod=pod, message=text):
            message.log_notice.pod = pod
            message.log_notice.message = text
        case EgressAttempt() as attempt:
            message.egress_attempt.CopyFrom(attempt_to_message(attempt))
        case EgressEnded() as ended:
            message.egress_ended.CopyFrom(ended_to_message(ended))
        case EventsLost(count):
            message.events_lost.count = count
        case _:
            assert_never(event.happening)
    return message


def event_from_message(message: pb.WatchResponse) -> NodeEvent:
    """Read one event."""
    kind = message.WhichOneof("event")
    if kind is None:
        raise InvalidMessageError("event", "is missing")
    happening = _HAPPENINGS[kind](message)
    return NodeEvent(
        sequence=message.sequence, time_s=message.time_unix_us / US, happening=happening
    )


def _state_changed(message: pb.WatchResponse) -> PodStateChanged:
    change = message.state_changed
    return PodStateChanged(
        pod=change.pod,
        generation=change.generation,
        state=fields.named("state", STATES, change.state),
        boot_s=change.boot_duration_us / US,
    )


def _health_changed(message: pb.WatchResponse) -> PodHealthChanged:
    change = message.health_changed
    return PodHealthChanged(
        pod=change.pod,
        generation=change.generation,
        health=fields.named("health", HEALTHS, change.health),
        reason=change.reason,
    )


def _pause_changed(message: pb.WatchResponse) -> PodPauseChanged:
    change = message.pause_changed
    return PodPauseChanged(pod=change.pod, generation=change.generation, paused=change.paused)


def _disk_full(message: pb.WatchResponse) -> PodDiskFull:
    full = message.disk_full
    return PodDiskFull(pod=full.pod, generation=full.generation, target=full.target)


def _exited(message: pb.WatchResponse) -> PodExited:
    exited = message.exited
    return PodExited(
        pod=exited.pod,
        generation=exited.generation,
        exit=exit_from_message(exited.exit),
        last_error_line=exited.last_error_line,
    )


def _log_notice(message: pb.WatchResponse) -> LogNotice:
    return LogNotice(pod=message.log_notice.pod, message=message.log_notice.message)


_HAPPENINGS: Mapping[str, Callable[[pb.WatchResponse], Happening]] = {
    "existing": lambda message: PodExisting(status=pod_from_message(message.existing)),
    "synced": lambda message: Synced(),
    "state_changed": _state_changed,
    "health_changed": _health_changed,
    "pause_changed": _pause_changed,
    "disk_full": _disk_full,
    "exited": _exited,
    "log_notice": _log_notice,
    "egress_attempt": lambda message: attempt_from_message(message.egress_attempt),
    "egress_ended": lambda message: ended_from_message(message.egress_ended),
    "events_lost": lambda message: EventsLost(message.events_lost.count),
}
