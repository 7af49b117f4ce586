"""One guest: its store, its thread, and how it ended.

Owns the guest's life from a specification to a `PodExit`. Knows nothing of images, logs or networks' names.
"""

from __future__ import annotations

import errno
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wasmtime

from pod_node.engine import bindings
from pod_node.engine.fabric import STACK_RESERVE
from pod_node.errors import BootError
from pod_node.spec import ExitKind, PodExit, PodSpec

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.program import Program

_INTERFACES_MOST = 8
_REQUEST = struct.Struct(f"<QIIII{3 * _INTERFACES_MOST}I64s")
_REPLY = struct.Struct("<6I")
_TRAP_STATUS = 134
"""128 + SIGABRT, as a shell shows a crash."""
_KILL_STATUS = 137
_NOT_STARTED_STATUS = 126


@dataclass(frozen=True, slots=True)
class KernelProcess:
    """The kernel's side of a guest: its process, and the host's ends of its stdio."""

    number: int
    thread: int
    stack_top: int
    input: int
    output: int
    error: int


def create_process(fabric: Fabric, spec: PodSpec, networks: dict[str, int]) -> KernelProcess:
    """Make a pod with one process in the fabric.

    Raises:
        BootError: an address is taken, or the fabric is full.
    """
    interfaces = [
        number
        for interface in spec.interfaces
        for number in (networks[interface.network], int(interface.address), interface.prefix)
    ]
    padding = [0] * (3 * _INTERFACES_MOST - len(interfaces))
    limits = spec.limits
    request = _REQUEST.pack(
        limits.fabric_bytes,
        limits.sockets,
        limits.descriptors,
        len(spec.mounts),
        len(spec.interfaces),
        *interfaces,
        *padding,
        spec.name.encode()[:63],
    )
    at = fabric.staging
    fabric.view[at : at + len(request)] = request
    result = fabric.try_call("host_pod_create", at)
    if result < 0:
        raise BootError(spec.name, _refusal(-result, spec))
    return KernelProcess(*_REPLY.unpack_from(fabric.view, at + fabric.reply_offset))


def _refusal(error: int, spec: PodSpec) -> str:
    if error == errno.EADDRINUSE:
        addresses = ", ".join(str(interface.address) for interface in spec.interfaces)
        return f"another pod has one of its addresses ({addresses}); end that pod first"
    if error in (errno.ENOBUFS, errno.ENOMEM):
        return "the node's fabric has no room for another pod; run fewer pods or enlarge the fabric"
    return f"the kernel refused it with {errno.errorcode.get(error, error)}"


class Guest:
    """A guest on a thread of its own."""

    def __init__(
        self,
        fabric: Fabric,
        program: Program,
        spec: PodSpec,
        argv: list[str],
        process: KernelProcess,
        epoch: Any,
    ) -> None:
        """Prepare a guest; nothing runs yet."""
        self._fabric = fabric
        self._program = program
        self.spec = spec
        self.process = process
        self._argv = argv
        self._epoch = epoch

    def start(self, on_ended: Callable[[PodExit], None]) -> None:
        """Start the thread; `on_ended` is called on it when the guest has ended."""
        name = f"pod-{self.spec.name}"
        self._thread = threading.Thread(target=self._live, args=(on_ended,), name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, after `on_ended`."""
        self._thread.join()

    def _live(self, on_ended: Callable[[PodExit], None]) -> None:
        try:
            outcome = self._run()
        except (bindings.EngineCallError, wasmtime.WasmtimeError, OSError) as error:
            outcome = PodExit(
                kind=ExitKind.TRAPPED,
                status=_NOT_STARTED_STATUS,
                reason=f"could not be started: {_first_line(str(error))}",
            )
        on_ended(outcome)

    def _run(self) -> PodExit:
        store = wasmtime.Store(self._fabric.engine)
        try:
            return self._run_in(store)
        finally:
            store.close()

    def _run_in(self, store: wasmtime.Store) -> PodExit:
        store.set_limits(memory_size=self.spec.limits.memory_bytes)
        store.set_wasi(self._wasi())
        bindings.watch_epoch(store, self._epoch, self.process.thread)
        guest = self._program.link(store, self.process.stack_top)
        if self._killed():
            return _killed()
        try:
            guest.run(self.process.thread)
        except bindings.GuestExitError as error:
            return (
                _killed() if self._killed() else PodExit(kind=ExitKind.EXITED, status=error.status)
            )
        except bindings.EngineCallError as error:
            return _killed() if self._killed() else self._trapped(error, guest.memory_bytes())
        return PodExit(kind=ExitKind.EXITED, status=0)

    def _wasi(self) -> wasmtime.WasiConfig:
        wasi = wasmtime.WasiConfig()
        wasi.argv = self._argv
        wasi.env = self.spec.environment
        for mount in self.spec.mounts:
            wasi.preopen_dir(str(mount.source), mount.target, not mount.read_only)
        return wasi

    def _killed(self) -> bool:
        at = self.process.thread + self._fabric.killed_offset
        return self._fabric.view[at] != 0

    def _trapped(self, error: bindings.EngineCallError, memory_bytes: int) -> PodExit:
        limit = self.spec.limits.memory_bytes
        reason = _first_line(str(error))
        if isinstance(error, bindings.GuestTrapError) and error.code == "STACK_OVERFLOW":
            reason = "the stack overflowed (too deep a recursion)"
        if memory_bytes >= limit - limit // 16:
            return PodExit(
                kind=ExitKind.OUT_OF_MEMORY,
                status=_TRAP_STATUS,
                reason=f"crashed at its memory limit of {limit >> 20} MiB: {reason}",
            )
        return PodExit(kind=ExitKind.TRAPPED, status=_TRAP_STATUS, reason=reason)


def _killed() -> PodExit:
    return PodExit(kind=ExitKind.KILLED, status=_KILL_STATUS, reason="killed")


def _first_line(message: str) -> str:
    """Return what a trap says about itself, without the wasm backtrace."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for line in lines:
        if "wasm trap:" in line:
            return line.split("wasm trap:", 1)[1].strip()
    return lines[0] if lines else "unknown trap"
