"""What a pod is, as messages of node.v1."""

from __future__ import annotations

import re
from pathlib import Path

from pod_node.codec.times import to_ms
from pod_node.spec import (
    DEFAULT_STOP_SIGNAL,
    HealthCheck,
    Interface,
    Limits,
    Mount,
    PodSpec,
    ProbeKind,
    Tmpfs,
)
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError

POD_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One DNS label (RFC 1123); it is also the name of a file."""

_PROBES = {
    ProbeKind.TCP: pb.PROBE_KIND_TCP,
    ProbeKind.HTTP: pb.PROBE_KIND_HTTP,
    ProbeKind.COMMAND: pb.PROBE_KIND_COMMAND,
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
        tmpfs=[pb.Tmpfs(target=tmpfs.target, size_bytes=tmpfs.size_bytes) for tmpfs in spec.tmpfs],
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
            disk_bytes=limits.disk_bytes,
            max_processes=limits.processes,
            milli_cpus=0 if limits.cpus is None else round(limits.cpus * 1000),
        ),
        healthcheck=None if check is None else _check_to_message(check),
        stop_signal=spec.stop_signal,
        stdin_open=spec.stdin_open,
        tty=spec.tty,
    )


def _check_to_message(check: HealthCheck) -> pb.HealthCheck:
    return pb.HealthCheck(
        kind=_PROBES[check.kind],
        port=check.port,
        path=check.path,
        command=check.command,
        interval_ms=to_ms(check.interval_s),
        timeout_ms=to_ms(check.timeout_s),
        retries=check.retries,
        start_period_ms=to_ms(check.start_period_s),
        start_interval_ms=to_ms(check.start_interval_s),
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
        service=fields.filled("service", message.service),
        image=fields.filled("image", message.image),
        command=tuple(fields.plain("command", word) for word in message.command),
        environment=tuple(variable_from_message(variable) for variable in message.environment),
        working_dir=fields.absolute("working_dir", working_dir),
        mounts=tuple(_mount(mount) for mount in message.mounts),
        tmpfs=tuple(_tmpfs(tmpfs) for tmpfs in message.tmpfs),
        interfaces=tuple(_interface(interface) for interface in message.interfaces),
        limits=_limits(message.limits),
        healthcheck=_check(message.healthcheck) if message.HasField("healthcheck") else None,
        stop_signal=_stop_signal(message.stop_signal),
        stdin_open=message.stdin_open,
        tty=message.tty,
    )


def _stop_signal(number: int) -> int:
    return fields.within("stop_signal", number, 1, 31) if number else DEFAULT_STOP_SIGNAL


def variable_from_message(message: pb.EnvironmentVariable) -> tuple[str, str]:
    """Read one variable.

    Raises:
        InvalidMessageError: it cannot be one.
    """
    if "=" in message.name:
        raise InvalidMessageError("environment", f"name {message.name!r} contains '='")
    name = fields.plain("environment", fields.filled("environment", message.name))
    return name, fields.plain("environment", message.value)


def _mount(message: pb.Mount) -> Mount:
    source = Path(fields.absolute("mounts.source", message.source))
    target = fields.absolute("mounts.target", message.target)
    return Mount(source=source, target=target, read_only=message.read_only)


def _tmpfs(message: pb.Tmpfs) -> Tmpfs:
    target = fields.absolute("tmpfs.target", message.target)
    size = message.size_bytes
    return Tmpfs(target=target, size_bytes=size) if size else Tmpfs(target=target)


def _interface(message: pb.Interface) -> Interface:
    return Interface(
        network=fields.filled("interfaces.network", message.network),
        address=fields.address("interfaces.address", message.address),
        prefix=fields.within("interfaces.prefix_bits", message.prefix_bits, 1, 32),
    )


def _limits(message: pb.Limits) -> Limits:
    default = Limits()
    return Limits(
        memory_bytes=message.memory_bytes or default.memory_bytes,
        descriptors=message.max_descriptors or default.descriptors,
        sockets=message.max_sockets or default.sockets,
        fabric_bytes=message.fabric_bytes or default.fabric_bytes,
        disk_bytes=message.disk_bytes or default.disk_bytes,
        processes=message.max_processes or default.processes,
        cpus=message.milli_cpus / 1000 if message.milli_cpus else None,
    )


def _check(message: pb.HealthCheck) -> HealthCheck:
    if not message.interval_ms or not message.timeout_ms or not message.retries:
        raise InvalidMessageError("healthcheck", "interval, timeout and retries are at least 1")
    kind = fields.named("healthcheck.kind", _PROBES, message.kind)
    is_command = kind is ProbeKind.COMMAND
    if is_command and not message.command:
        raise InvalidMessageError("healthcheck.command", "must name a program")
    return HealthCheck(
        kind=kind,
        port=0 if is_command else fields.port("healthcheck.port", message.port),
        path=message.path or "/",
        command=tuple(fields.plain("healthcheck.command", word) for word in message.command),
        interval_s=message.interval_ms / 1000,
        timeout_s=message.timeout_ms / 1000,
        retries=message.retries,
        start_period_s=message.start_period_ms / 1000,
        start_interval_s=message.start_interval_ms / 1000,
    )
