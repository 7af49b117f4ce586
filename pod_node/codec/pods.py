"""Pods as they stand, as messages of node.v1."""

from __future__ import annotations

from pod_node.codec.specs import pod_spec_from_message, pod_spec_to_message
from pod_node.codec.times import US, to_us
from pod_node.health import Health
from pod_node.spec import ExitKind, PodExit
from pod_node.status import PodState, PodStatus
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields

STATES = {
    PodState.BOOTING: pb.POD_STATE_BOOTING,
    PodState.RUNNING: pb.POD_STATE_RUNNING,
    PodState.STOPPING: pb.POD_STATE_STOPPING,
    PodState.EXITED: pb.POD_STATE_EXITED,
}
HEALTHS = {
    Health.STARTING: pb.HEALTH_STARTING,
    Health.HEALTHY: pb.HEALTH_HEALTHY,
    Health.UNHEALTHY: pb.HEALTH_UNHEALTHY,
}
_EXITS = {
    ExitKind.EXITED: pb.EXIT_KIND_EXITED,
    ExitKind.KILLED: pb.EXIT_KIND_KILLED,
    ExitKind.TRAPPED: pb.EXIT_KIND_TRAPPED,
    ExitKind.OUT_OF_MEMORY: pb.EXIT_KIND_OUT_OF_MEMORY,
}


def pod_to_message(status: PodStatus) -> pb.Pod:
    """Write a pod as it stands."""
    return pb.Pod(
        spec=pod_spec_to_message(status.spec),
        state=STATES[status.state],
        health=health_to_message(status.health),
        health_reason=status.health_reason,
        exit=None if status.exit is None else exit_to_message(status.exit),
        booted_at_unix_us=to_us(status.booted_at_s),
        boot_duration_us=to_us(status.boot_s),
        exited_at_unix_us=to_us(status.exited_at_s),
        generation=status.generation,
        paused=status.paused,
        full_disk=status.full_disk,
    )


def pod_from_message(message: pb.Pod) -> PodStatus:
    """Read a pod as it stands."""
    return PodStatus(
        spec=pod_spec_from_message(message.spec),
        state=fields.named("state", STATES, message.state),
        health=health_from_message(message.health),
        health_reason=message.health_reason,
        exit=exit_from_message(message.exit) if message.HasField("exit") else None,
        booted_at_s=message.booted_at_unix_us / US,
        boot_s=message.boot_duration_us / US,
        exited_at_s=message.exited_at_unix_us / US,
        generation=message.generation,
        paused=message.paused,
        full_disk=message.full_disk,
    )


def exit_to_message(end: PodExit) -> pb.PodExit:
    """Write how a pod ended."""
    return pb.PodExit(kind=_EXITS[end.kind], status=end.status, reason=end.reason)


def exit_from_message(message: pb.PodExit) -> PodExit:
    """Read how a pod ended."""
    kind = fields.named("exit.kind", _EXITS, message.kind)
    return PodExit(kind=kind, status=message.status, reason=message.reason)


def health_to_message(health: Health | None) -> pb.Health:
    """Write a verdict; None for a pod that is never asked."""
    return pb.HEALTH_UNSPECIFIED if health is None else HEALTHS[health]


def health_from_message(message: pb.Health) -> Health | None:
    """Read a verdict."""
    if message == pb.HEALTH_UNSPECIFIED:
        return None
    return fields.named("health", HEALTHS, message)
