"""The kernel's side of a guest: a pod with one process in the fabric, made from a specification.

Owns the layout of the request and the checks of what the kernel and C strings cannot hold. The
guest's thread is `guest.py`'s.
"""

from __future__ import annotations

import errno
import signal
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pod_node.errors import BootError, NetworkNotAttachedError
from pod_node.executing import DEFAULT_WINDOW
from pod_node.spec import ExitKind, PodExit

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.mounts import MountTable
    from pod_node.engine.program import Program
    from pod_node.executing import WindowSize
    from pod_node.spec import PodSpec

_INTERFACES_MOST = 8
_HOSTNAME_BYTES = 64
"""With the NUL that ends it."""
_REQUEST = struct.Struct(f"<QQIIIIIIIII{3 * _INTERFACES_MOST}I{_HOSTNAME_BYTES}s")
_STARTED = struct.Struct("<8I")
_REPLY = struct.Struct("<9I")
_SPAWNED = struct.Struct("<12I")
HOST_FILES_MOST = 1024
"""Open files of the host for one pod (EMFILE), its mounts included: each takes a descriptor of the
node's process. Linux gives a process as many by default."""
_ALIGNMENT = 8
_USAGE = struct.Struct("<QQQIIII")
PAGE_BYTES = 1 << 16
_ELEMENT_BYTES = 8
_MIB = 1 << 20
_BY_SIGNAL = 128
"""Added to a signal's number, as shells do."""
_U32_MOST, _U64_MOST = (1 << 32) - 1, (1 << 64) - 1
_ARGUMENTS_MOST = 2 << 20
"""Bytes of arguments and environment together: Linux's ARG_MAX for the default stack of 8 MiB."""


class ProcessUse(NamedTuple):
    """What a process uses, in the order in which the kernel has it (`host_usage.c`)."""

    memory_bytes: int
    """Linear memory and tables."""
    fabric_bytes: int
    """Of its pod, as all below but the descriptors."""
    fabric_limit_bytes: int
    sockets: int
    sockets_limit: int
    descriptors: int
    descriptors_limit: int


@dataclass(frozen=True, slots=True)
class KernelProcess:
    """A process in the fabric, and the host's ends of its stdio if it is one of the node's."""

    number: int
    thread: int
    stack_top: int
    pid: int
    """Its number in the pod."""
    input: int
    output: int
    error: int
    memory: int
    """Where the kernel has what the pod's processes take of its memory limit together."""
    files: int = 0
    """What `files.py` asks about, of a pod's main process; the kernel keeps it until it is
    released."""


def check_bootable(spec: PodSpec, argv: list[str]) -> None:
    """Refuse what a guest could not be given as it was asked for.

    Raises:
        BootError: text that no C string can hold, too many interfaces, a mount that is no
            directory and no file.
    """
    check_texts(spec, argv)
    if len(spec.interfaces) > _INTERFACES_MOST:
        raise BootError(
            spec.name,
            f"it has {len(spec.interfaces)} interfaces and {_INTERFACES_MOST} are possible; "
            "put it on fewer networks",
        )
    for mount in spec.mounts:
        if not (mount.source.is_dir() or mount.source.is_file()):
            raise BootError(
                spec.name, f"{mount.source} is no folder and no file; it was to be {mount.target}"
            )


def check_memory(spec: PodSpec, program: Program) -> None:
    """Refuse a limit that the module's memory and tables exceed before they have grown.

    Raises:
        BootError: they do.
    """
    tables = program.table_elements * _ELEMENT_BYTES // PAGE_BYTES * PAGE_BYTES
    minimum = program.memory_minimum + tables
    if minimum > spec.limits.memory_bytes:
        size = f"{minimum >> 10} KiB" if minimum % _MIB else f"{minimum // _MIB} MiB"
        raise BootError(
            spec.name,
            f"its module needs at least {size} of memory; raise deploy.resources.limits.memory",
        )


def check_texts(spec: PodSpec, argv: list[str]) -> None:
    """Refuse texts that no C string can hold, or that are too long together.

    Raises:
        BootError: there are some.
    """
    total = 0
    for place, text in _texts(spec, argv):
        try:
            encoded = text.encode()
        except UnicodeEncodeError as error:
            raise BootError(
                spec.name, f"{place} is not valid Unicode ({text!a}); use UTF-8"
            ) from error
        if "\0" in text:
            raise BootError(spec.name, f"{place} has a NUL character ({text!a}); remove it")
        total += len(encoded)
    if total > _ARGUMENTS_MOST:
        raise BootError(
            spec.name,
            f"its arguments and environment take {total} bytes and {_ARGUMENTS_MOST} are possible; "
            "put large values into a file on a volume",
        )
    if not 0 < len(spec.name.encode()) < _HOSTNAME_BYTES:
        raise BootError(
            spec.name,
            f"its name is also its hostname, which has 1 to {_HOSTNAME_BYTES - 1} bytes; "
            "use another one",
        )


def _texts(spec: PodSpec, argv: list[str]) -> Iterator[tuple[str, str]]:
    yield "its name", spec.name
    yield "its working folder", spec.working_dir
    for index, argument in enumerate(argv):
        yield f"argument {index}", argument
    for name, value in spec.environment:
        yield "a variable's name", name
        yield f"the variable {name}", value
    for mount in spec.mounts:
        yield "a mount's source", str(mount.source)
        yield "a mount's target", mount.target


def create_process(
    fabric: Fabric, spec: PodSpec, networks: Mapping[str, int], mounts: MountTable
) -> KernelProcess:
    """Make a pod with one process in the fabric; `spec` has passed `check_bootable`.

    Raises:
        BootError: an address is taken, or the fabric is full.
        NetworkNotAttachedError: an interface is on a network that the node does not know.
    """
    interfaces: list[int] = []
    for interface in spec.interfaces:
        if interface.network not in networks:
            raise NetworkNotAttachedError(interface.network)
        interfaces += (networks[interface.network], int(interface.address), interface.prefix)
    padding = [0] * (3 * _INTERFACES_MOST - len(interfaces))
    limits = spec.limits
    request = _REQUEST.pack(
        min(limits.fabric_bytes, _U64_MOST),
        min(limits.memory_bytes, _U64_MOST),
        min(limits.sockets, _U32_MOST),
        min(limits.descriptors, _U32_MOST),
        HOST_FILES_MOST,
        min(limits.processes, _U32_MOST),
        len(mounts.entries),
        mounts.text_bytes,
        len(spec.interfaces),
        *_window(spec),
        *interfaces,
        *padding,
        spec.name.encode(),
    )
    assert len(request) == fabric.reply_offset, "the kernel's layout is another"
    at = fabric.staging
    fabric.view[at : at + len(request)] = request
    after = at + fabric.reply_offset + _REPLY.size
    after += -after % _ALIGNMENT
    table = mounts.encode()
    fabric.view[after : after + len(table)] = table
    result = fabric.try_call("host_pod_create", at)
    if result < 0:
        raise BootError(spec.name, _refusal(-result, spec))
    return KernelProcess(*_REPLY.unpack_from(fabric.view, at + fabric.reply_offset))


def _window(spec: PodSpec) -> tuple[int, int]:
    """Give rows and columns of its terminal until somebody is there to have a window."""
    return (DEFAULT_WINDOW.rows, DEFAULT_WINDOW.columns) if spec.tty else (0, 0)


def exec_process(fabric: Fabric, main: KernelProcess, window: WindowSize | None) -> KernelProcess:
    """Make another process of the node's in a pod, with a terminal if there is a window.

    Raises:
        OSError: the pod's main process has ended (ENOENT), it has as many processes as it may
            (EAGAIN), or there is no room.
    """
    rows, columns = (window.rows, window.columns) if window else (0, 0)
    fabric.call("host_process_exec", main.number, rows, columns, fabric.staging)
    return KernelProcess(*_STARTED.unpack_from(fabric.view, fabric.staging))


@dataclass(frozen=True, slots=True)
class SpawnedProcess:
    """A process that another one asked for and that has no guest yet."""

    process: KernelProcess
    parent: int
    """Number of its parent; 0 when that has gone."""
    main: int
    """Kernel's number of the pod's main process; 0 when that has gone."""
    request: bytes


def take_spawned(fabric: Fabric) -> SpawnedProcess | None:
    """Take the next process that waits for a guest; None when there is none."""
    if not fabric.call("host_spawn_take", fabric.staging):
        return None
    fields = _SPAWNED.unpack_from(fabric.view, fabric.staging)
    parent, main, at, size = fields[_STARTED.size // 4 :]
    process = KernelProcess(*fields[: _STARTED.size // 4])
    return SpawnedProcess(process, parent, main, bytes(fabric.view[at : at + size]))


def reserve_memory(fabric: Fabric, process: KernelProcess, program: Program) -> None:
    """Count what a program begins with for a process that is about to run it.

    Raises:
        OSError: the pod's limit has no room for it (ENOMEM).
    """
    pages = program.memory_minimum // PAGE_BYTES
    fabric.call("host_process_reserve", process.number, pages, program.table_elements)


def pod_memory_bytes(fabric: Fabric, process: KernelProcess) -> int:
    """Say how much of its limit a pod's processes take together."""
    return int.from_bytes(fabric.view[process.memory : process.memory + 8], "little")


def process_usage(fabric: Fabric, process: KernelProcess) -> ProcessUse:
    """Say what a process that has not been reaped uses, and its pod as a whole."""
    at = fabric.staging
    fabric.call("host_process_usage", process.number, at)
    return ProcessUse(*_USAGE.unpack_from(fabric.view, at))


def reap_process(fabric: Fabric, process: KernelProcess, outcome: PodExit) -> PodExit:
    """Free what a guest had whose thread is no more; how it ended, with the signal if one did."""
    return _as_seen(outcome, fabric.call("host_process_reap", process.number, wait_status(outcome)))


def reap_pod(fabric: Fabric, process: KernelProcess, outcome: PodExit) -> PodExit:
    """As `reap_process` for a pod's last process, which takes the pod off the network."""
    return _as_seen(outcome, fabric.call("host_pod_reap", process.number, wait_status(outcome)))


def wait_status(outcome: PodExit) -> int:
    """Give what `wait` shows for the way a guest ended; killed ones count as if by SIGKILL."""
    match outcome.kind:
        case ExitKind.EXITED:
            return outcome.status << 8
        case ExitKind.KILLED:
            return signal.SIGKILL
        case ExitKind.TRAPPED | ExitKind.OUT_OF_MEMORY:
            return signal.SIGABRT


def _as_seen(outcome: PodExit, status: int) -> PodExit:
    if outcome.kind is not ExitKind.KILLED or status == signal.SIGKILL:
        return outcome
    name = signal.Signals(status).name
    return PodExit(kind=ExitKind.KILLED, status=_BY_SIGNAL + status, reason=f"ended by {name}")


def _refusal(error: int, spec: PodSpec) -> str:
    if error == errno.EADDRINUSE:
        addresses = ", ".join(str(interface.address) for interface in spec.interfaces)
        return (
            f"one of its addresses ({addresses}) is another pod's or the network's gateway; "
            "end that pod first, or choose another address"
        )
    if error == errno.EMFILE:
        return (
            f"its limit of {spec.limits.descriptors} descriptors has no room for its standard "
            f"streams, mounts and /net; raise it to {5 + len(spec.mounts)} at least"
        )
    if error in (errno.ENOBUFS, errno.ENOMEM):
        return (
            "the fabric has no room for it, or its own limit of fabric bytes is too small to begin "
            "with; run fewer pods, enlarge the fabric, or raise the limit"
        )
    return f"the kernel refused it with {errno.errorcode.get(error, error)}"
