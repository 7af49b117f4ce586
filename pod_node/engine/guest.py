"""One guest: its store, its thread, and how it ended.

Owns the guest's life from a process in the kernel to a `PodExit`. Knows nothing of images, logs or
networks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import wasmtime

from pod_node.engine import bindings
from pod_node.engine.process import pod_memory_bytes
from pod_node.spec import ExitKind, PodExit, PodSpec

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.mounts import MountTable
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.program import Program
    from pod_node.engine.signals import Signals

THREAD_STACK_BYTES = 8 << 20
"""Wasm may use `WASM_STACK_BYTES` of it; the engine's own code, below any depth of it, has the
rest. Set here because the system's default may be smaller, and memory is taken only as it is
used."""
TABLES_MOST = 17
"""Three of them are not the module's own: the kernel's, the shim's, and what metering adds."""
TABLE_ELEMENTS_MOST = 1 << 20
"""CPython has ten thousand; every element takes eight bytes outside of the guest's memory."""
_TRAP_STATUS = 134
"""128 + SIGABRT, as a shell shows a crash."""
_KILL_STATUS = 137
_NOT_STARTED_STATUS = 126


class Guest:
    """A guest on a thread of its own."""

    def __init__(
        self,
        fabric: Fabric,
        program: Program,
        spec: PodSpec,
        argv: list[str],
        process: KernelProcess,
        mounts: MountTable,
        signals: Signals,
        epoch: object,
    ) -> None:
        """Prepare a guest; nothing runs yet."""
        self._fabric = fabric
        self.program = program
        self.spec = spec
        self.process = process
        self._argv = argv
        self.mounts = mounts
        self._signals = signals
        self._epoch = epoch
        self.cpu_at_end_s = 0.0
        """The CPU time that its thread has had, once it has ended."""

    def start(self, on_running: Callable[[], None], on_ended: Callable[[PodExit], None]) -> None:
        """Start the thread; both are called on it, just before the guest runs and when it ended.

        Raises:
            RuntimeError: the system has no room for another thread.
        """
        self._on_running = on_running
        name = f"pod-{self.spec.name}"
        self._thread = threading.Thread(target=self._live, args=(on_ended,), name=name, daemon=True)
        default = threading.stack_size(THREAD_STACK_BYTES)
        try:
            self._thread.start()
        finally:
            threading.stack_size(default)

    def join(self) -> None:
        """Wait for the thread, after `on_ended`."""
        self._thread.join()

    def cpu_time_s(self) -> float:
        """Return the CPU time that its thread has had; 0 once it is gone."""
        schedule = Path(f"/proc/self/task/{self._thread.native_id}/schedstat")
        try:
            return int(schedule.read_bytes().split()[0]) / 1e9
        except OSError:
            return 0.0

    def _live(self, on_ended: Callable[[PodExit], None]) -> None:
        outcome = _not_started("a fault of the node")
        try:
            outcome = self._run()
        except (bindings.EngineCallError, wasmtime.WasmtimeError, OSError) as error:
            outcome = _not_started(_first_line(str(error)))
        finally:
            self.cpu_at_end_s = time.thread_time()
            on_ended(outcome)

    def _run(self) -> PodExit:
        store = wasmtime.Store(self._fabric.engine)
        try:
            return self._run_in(store)
        finally:
            store.close()

    def _run_in(self, store: wasmtime.Store) -> PodExit:
        store.set_limits(
            memory_size=self.spec.limits.memory_bytes,
            table_elements=TABLE_ELEMENTS_MOST,
            tables=TABLES_MOST,
            memories=1,
        )
        store.set_wasi(self._wasi())
        bindings.watch_epoch(store, self._epoch, self.process.thread)
        # Killed or paused before the epoch was watched; what comes later is noticed there.
        if not self._signals.ask(self.process.thread):
            return _killed()
        try:
            guest = self.program.link(store, self.process.stack_top)
        except bindings.EngineCallError:
            if self._killed():  # a module's own start function runs while it is linked
                return _killed()
            raise
        if self._killed():
            return _killed()
        self._on_running()
        try:
            guest.run(self.process.thread)
        except bindings.GuestExitError:
            return _killed() if self._killed() else _exited(guest.exit_status())
        except bindings.EngineCallError as error:
            return _killed() if self._killed() else self._trapped(error)
        return _exited(0)

    def _wasi(self) -> wasmtime.WasiConfig:
        """Return what the engine's own WASI gives the guest: arguments, environment, folders."""
        wasi = wasmtime.WasiConfig()
        wasi.argv = self._argv
        wasi.env = (dict(self.spec.environment) | {"PWD": self.spec.working_dir}).items()
        self.mounts.preopen(wasi)
        return wasi

    def _killed(self) -> bool:
        at = self.process.thread + self._fabric.killed_offset
        return self._fabric.view[at] != 0

    def _trapped(self, error: bindings.EngineCallError) -> PodExit:
        limit = self.spec.limits.memory_bytes
        reason = _first_line(str(error))
        if isinstance(error, bindings.GuestTrapError) and error.code == "STACK_OVERFLOW":
            reason = "the stack overflowed (too deep a recursion)"
        elif pod_memory_bytes(self._fabric, self.process) >= limit - limit // 16:
            return PodExit(
                kind=ExitKind.OUT_OF_MEMORY,
                status=_TRAP_STATUS,
                reason=f"crashed at its pod's memory limit of {limit >> 20} MiB: {reason}",
            )
        return PodExit(kind=ExitKind.TRAPPED, status=_TRAP_STATUS, reason=reason)


def _exited(status: int) -> PodExit:
    """Give the part of a status that a parent process sees on Linux."""
    return PodExit(kind=ExitKind.EXITED, status=status & 0xFF)


def _killed() -> PodExit:
    return PodExit(kind=ExitKind.KILLED, status=_KILL_STATUS, reason="killed")


def _not_started(reason: str) -> PodExit:
    return PodExit(
        kind=ExitKind.TRAPPED,
        status=_NOT_STARTED_STATUS,
        reason=f"could not be started: {reason}",
    )


def _first_line(message: str) -> str:
    """Return what an error says about itself, without the wasm backtrace."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for line in lines:
        if "wasm trap:" in line:
            return line.split("wasm trap:", 1)[1].strip()
    if "Caused by:" in lines[:-1]:
        return lines[lines.index("Caused by:") + 1]
    return lines[0] if lines else "unknown trap"
