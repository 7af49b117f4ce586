"""Between the messages of node.v1 and the package's own values.

Owns both directions: the node reads requests and writes answers, a client of the node the other
way round. What comes in is checked here, once, and what is not fit to be a value is an
`InvalidMessageError` that names the field.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, assert_never

from pod_node.errors import InvalidMessageError
from pod_node.health import Health
from pod_node.images import CompiledImage, Phase, Progress
from pod_node.records import LogLines
from pod_node.spec import (
    ExitKind,
    HealthCheck,
    Interface,
    Limits,
    Mount,
    PodExit,
    PodSpec,
    ProbeKind,
)
from pod_node.status import (
    EventsLost,
    Happening,
    LogNotice,
    NodeEvent,
    OpenPortal,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodState,
    PodStateChanged,
    PodStatus,
    PortalBackend,
    Synced,
)
from protos.node.v1 import node_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pod_node.usage import ProcessUsage

POD_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One DNS label (RFC 1123); it is also the name of a file."""
MAX_PORT = 65_535
US = 1_000_000

T = TypeVar("T")
E = TypeVar("E")

_PROBES = {ProbeKind.TCP: pb.PROBE_KIND_TCP, ProbeKind.HTTP: pb.PROBE_KIND_HTTP}
_STATES = {
    PodState.BOOTING: pb.POD_STATE_BOOTING,
    PodState.RUNNING: pb.POD_STATE_RUNNING,
    PodState.STOPPING: pb.POD_STATE_STOPPING,
    PodState.EXITED: pb.POD_STATE_EXITED,
}
_HEALTHS = {
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
_PHASES = {
    Phase.WAITING: pb.IMAGE_PHASE_WAITING,
    Phase.FETCHING: pb.IMAGE_PHASE_FETCHING,
    Phase.CHECKING: pb.IMAGE_PHASE_CHECKING,
    Phase.COMPILING: pb.IMAGE_PHASE_COMPILING,
    Phase.LAYERING: pb.IMAGE_PHASE_LAYERING,
    Phase.READY: pb.IMAGE_PHASE_READY,
}
_STREAMS = {
    "stdout": pb.LOG_STREAM_STDOUT,
    "stderr": pb.LOG_STREAM_STDERR,
    "podnet": pb.LOG_STREAM_PODNET,
}


def pod_spec_to_message(spec: PodSpec) -> pb.PodSpec:
    """Write a pod's specification."""
    limits = spec.limits
    check = spec.healthcheck
    return pb.PodSpec(
        name=spec.name,
        service=spec.service,
        image=spec.image,
        command=spec.command,
        environment=[
            pb.EnvironmentVariable(name=name, value=value) for name, value in spec.environment
        ],
        working_dir=spec.working_dir,
        mounts=[
            pb.Mount(source=str(mount.source), target=mount.target, read_only=mount.read_only)
            for mount in spec.mounts
        ],
        interfaces=[
            pb.Interface(
                network=interface.network,
                address=str(interface.address),
                prefix_bits=interface.prefix,
            )
            for interface in spec.interfaces
        ],
        limits=pb.Limits(
            memory_bytes=limits.memory_bytes,
            max_descriptors=limits.descriptors,
            max_sockets=limits.sockets,
            fabric_bytes=limits.fabric_bytes,
        ),
        healthcheck=None if check is None else _check_to_message(check),
    )


def _check_to_message(check: HealthCheck) -> pb.HealthCheck:
    return pb.HealthCheck(
        kind=_PROBES[check.kind],
        port=check.port,
        path=check.path,
        interval_ms=_to_ms(check.interval_s),
        timeout_ms=_to_ms(check.timeout_s),
        retries=check.retries,
        start_period_ms=_to_ms(check.start_period_s),
        start_interval_ms=_to_ms(check.start_interval_s),
    )


def pod_spec_from_message(message: pb.PodSpec) -> PodSpec:
    """Read a pod's specification.

    Raises:
        InvalidMessageError: a field holds what no pod can be booted from.
    """
    if not POD_NAME.fullmatch(message.name):
        raise InvalidMessageError("name", f"{message.name!r} is not a DNS label")
    working_dir = message.working_dir or "/"
    return PodSpec(
        name=message.name,
        service=_filled("service", message.service),
        image=_filled("image", message.image),
        command=tuple(_plain("command", word) for word in message.command),
        environment=tuple(_variable(variable) for variable in message.environment),
        working_dir=_absolute("working_dir", working_dir),
        mounts=tuple(_mount(mount) for mount in message.mounts),
        interfaces=tuple(_interface(interface) for interface in message.interfaces),
        limits=_limits(message.limits),
        healthcheck=_check(message.healthcheck) if message.HasField("healthcheck") else None,
    )


def _variable(message: pb.EnvironmentVariable) -> tuple[str, str]:
    if "=" in message.name:
        raise InvalidMessageError("environment", f"name {message.name!r} contains '='")
    name = _plain("environment", _filled("environment", message.name))
    return name, _plain("environment", message.value)


def _mount(message: pb.Mount) -> Mount:
    source = Path(_absolute("mounts.source", message.source))
    target = _absolute("mounts.target", message.target)
    return Mount(source=source, target=target, read_only=message.read_only)


def _interface(message: pb.Interface) -> Interface:
    if not 0 < message.prefix_bits <= 32:
        raise InvalidMessageError("interfaces.prefix_bits", f"{message.prefix_bits} is not 1 to 32")
    return Interface(
        network=_filled("interfaces.network", message.network),
        address=address_from_text("interfaces.address", message.address),
        prefix=message.prefix_bits,
    )


def _limits(message: pb.Limits) -> Limits:
    default = Limits()
    return Limits(
        memory_bytes=message.memory_bytes or default.memory_bytes,
        descriptors=message.max_descriptors or default.descriptors,
        sockets=message.max_sockets or default.sockets,
        fabric_bytes=message.fabric_bytes or default.fabric_bytes,
    )


def _check(message: pb.HealthCheck) -> HealthCheck:
    if not message.interval_ms or not message.timeout_ms or not message.retries:
        raise InvalidMessageError("healthcheck", "interval, timeout and retries are at least 1")
    return HealthCheck(
        kind=_named("healthcheck.kind", _PROBES, message.kind),
        port=port_number("healthcheck.port", message.port),
        path=message.path or "/",
        interval_s=message.interval_ms / 1000,
        timeout_s=message.timeout_ms / 1000,
        retries=message.retries,
        start_period_s=message.start_period_ms / 1000,
        start_interval_s=message.start_interval_ms / 1000,
    )


def pod_to_message(status: PodStatus) -> pb.Pod:
    """Write a pod as it stands."""
    return pb.Pod(
        spec=pod_spec_to_message(status.spec),
        state=_STATES[status.state],
        health=_health_to_message(status.health),
        health_reason=status.health_reason,
        exit=None if status.exit is None else exit_to_message(status.exit),
        booted_at_unix_us=_to_us(status.booted_at_s),
        boot_duration_us=_to_us(status.boot_s),
        exited_at_unix_us=_to_us(status.exited_at_s),
        generation=status.generation,
    )


def pod_from_message(message: pb.Pod) -> PodStatus:
    """Read a pod as it stands."""
    return PodStatus(
        spec=pod_spec_from_message(message.spec),
        state=_named("state", _STATES, message.state),
        health=_health_from_message(message.health),
        health_reason=message.health_reason,
        exit=exit_from_message(message.exit) if message.HasField("exit") else None,
        booted_at_s=message.booted_at_unix_us / US,
        boot_s=message.boot_duration_us / US,
        exited_at_s=message.exited_at_unix_us / US,
        generation=message.generation,
    )


def exit_to_message(end: PodExit) -> pb.PodExit:
    """Write how a pod ended."""
    return pb.PodExit(kind=_EXITS[end.kind], status=end.status, reason=end.reason)


def exit_from_message(message: pb.PodExit) -> PodExit:
    """Read how a pod ended."""
    kind = _named("exit.kind", _EXITS, message.kind)
    return PodExit(kind=kind, status=message.status, reason=message.reason)


def event_to_message(event: NodeEvent) -> pb.WatchResponse:
    """Write one event."""
    message = pb.WatchResponse(sequence=event.sequence, time_unix_us=_to_us(event.time_s))
    match event.happening:
        case PodExisting(status=status):
            message.existing.CopyFrom(pod_to_message(status))
        case Synced():
            message.synced.SetInParent()
        case PodStateChanged() as change:
            message.state_changed.pod = change.pod
            message.state_changed.generation = change.generation
            message.state_changed.state = _STATES[change.state]
            message.state_changed.boot_duration_us = _to_us(change.boot_s)
        case PodHealthChanged() as verdict:
            message.health_changed.pod = verdict.pod
            message.health_changed.generation = verdict.generation
            message.health_changed.health = _health_to_message(verdict.health)
            message.health_changed.reason = verdict.reason
        case PodExited() as exited:
            message.exited.pod = exited.pod
            message.exited.generation = exited.generation
            message.exited.exit.CopyFrom(exit_to_message(exited.exit))
            message.exited.last_error_line = exited.last_error_line
        case LogNotice(pod=pod, message=text):
            message.log_notice.pod = pod
            message.log_notice.message = text
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
        state=_named("state", _STATES, change.state),
        boot_s=change.boot_duration_us / US,
    )


def _health_changed(message: pb.WatchResponse) -> PodHealthChanged:
    change = message.health_changed
    return PodHealthChanged(
        pod=change.pod,
        generation=change.generation,
        health=_named("health", _HEALTHS, change.health),
        reason=change.reason,
    )


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
    "exited": _exited,
    "log_notice": _log_notice,
    "events_lost": lambda message: EventsLost(message.events_lost.count),
}


def lines_to_message(lines: LogLines, lost: int) -> pb.LogsResponse:
    """Write lines of a log."""
    return pb.LogsResponse(
        pod=lines.pod,
        stream=_STREAMS[lines.stream],
        time_unix_us=_to_us(lines.time_s),
        lines=lines.lines,
        lost_chunks=lost,
    )


def lines_from_message(message: pb.LogsResponse) -> tuple[LogLines, int]:
    """Read lines of a log, and how many chunks are missing before them."""
    lines = LogLines(
        pod=message.pod,
        stream=_named("stream", _STREAMS, message.stream),
        time_s=message.time_unix_us / US,
        lines=tuple(message.lines),
    )
    return lines, message.lost_chunks


def usage_to_message(
    usage: ProcessUsage, running_pods: int, fabric_used: int, fabric_limit: int
) -> pb.StatisticsResponse:
    """Write what the node uses right now."""
    return pb.StatisticsResponse(
        time_unix_us=_to_us(usage.time_s),
        node=pb.NodeStatistics(
            running_pods=running_pods,
            resident_bytes=usage.resident_bytes,
            cpu_time_us=_to_us(usage.cpu_time_s),
            memory_maps=usage.memory_maps,
            fabric_used_bytes=fabric_used,
            fabric_limit_bytes=fabric_limit,
        ),
    )


def network_from_message(message: pb.Network) -> tuple[str, IPv4Network]:
    """Read a network's name and subnet."""
    try:
        subnet = IPv4Network(message.subnet_cidr)
    except ValueError as error:
        raise InvalidMessageError("subnet_cidr", str(error)) from error
    return _filled("name", message.name), subnet


def names_from_message(records: Iterable[pb.NameRecord]) -> dict[str, list[IPv4Address]]:
    """Read a table of names."""
    return {
        record.name: [address_from_text("addresses", text) for text in record.addresses]
        for record in records
    }


def progress_to_message(image: CompiledImage | None, step: Progress) -> pb.PrepareImagesResponse:
    """Write a step of an image's preparation; the digest comes with the image, once it is there."""
    return pb.PrepareImagesResponse(
        image=step.image,
        phase=_PHASES[step.phase],
        done_bytes=step.done_bytes,
        total_bytes=step.total_bytes,
        elapsed_ms=_to_ms(step.elapsed_s),
        source=step.source,
        digest_sha256="" if image is None else image.digest,
    )


def progress_from_message(message: pb.PrepareImagesResponse) -> Progress:
    """Read a step of an image's preparation."""
    return Progress(
        image=message.image,
        phase=_named("phase", _PHASES, message.phase),
        done_bytes=message.done_bytes,
        total_bytes=message.total_bytes,
        elapsed_s=message.elapsed_ms / 1000,
        source=message.source,
    )


def portal_to_message(portal: OpenPortal) -> pb.Portal:
    """Write an open portal."""
    return pb.Portal(
        portal_id=portal.portal_id,
        service=portal.service,
        port=portal.port,
        host_port=portal.host_port,
        url=portal.url,
        backends=backends_to_message(portal.backends),
    )


def portal_from_message(message: pb.Portal) -> OpenPortal:
    """Read an open portal."""
    return OpenPortal(
        portal_id=message.portal_id,
        service=message.service,
        port=port_number("port", message.port),
        host_port=port_number("host_port", message.host_port),
        url=message.url,
        backends=backends_from_message(message.backends),
    )


def backends_to_message(backends: Iterable[PortalBackend]) -> list[pb.PortalBackend]:
    """Write the pods behind a portal."""
    return [pb.PortalBackend(pod=backend.pod, address=str(backend.address)) for backend in backends]


def backends_from_message(messages: Iterable[pb.PortalBackend]) -> tuple[PortalBackend, ...]:
    """Read the pods behind a portal."""
    return tuple(
        PortalBackend(message.pod, address_from_text("backends.address", message.address))
        for message in messages
    )


def port_number(field: str, port: int) -> int:
    """Check a TCP port."""
    if not 0 < port <= MAX_PORT:
        raise InvalidMessageError(field, f"{port} is not 1 to {MAX_PORT}")
    return port


def address_from_text(field: str, text: str) -> IPv4Address:
    """Read an address."""
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise InvalidMessageError(field, str(error)) from error


def _health_to_message(health: Health | None) -> pb.Health:
    return pb.HEALTH_UNSPECIFIED if health is None else _HEALTHS[health]


def _health_from_message(message: pb.Health) -> Health | None:
    if message == pb.HEALTH_UNSPECIFIED:
        return None
    return _named("health", _HEALTHS, message)


def _named(field: str, table: Mapping[T, E], number: E) -> T:
    for value, known in table.items():
        if known == number:
            return value
    raise InvalidMessageError(field, f"has the unknown value {number}")


def _filled(field: str, text: str) -> str:
    if not text:
        raise InvalidMessageError(field, "is empty")
    return text


def _plain(field: str, text: str) -> str:
    if "\0" in text:
        raise InvalidMessageError(field, "contains NUL")
    return text


def _absolute(field: str, path: str) -> str:
    if not path.startswith("/"):
        raise InvalidMessageError(field, f"{path!r} is not an absolute path")
    return _plain(field, path)


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _to_us(seconds: float) -> int:
    return round(seconds * US)
