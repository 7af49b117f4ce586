"""Kills guests, stops them for a while and lets them go on: SIGKILL, SIGSTOP and SIGCONT.

A guest that is blocked in the kernel, or comes there, is ended or stopped by the kernel itself. One
that computes is asked at the next change of the engine's epoch whether it shall end. While it is
paused the answer waits, outside of the kernel and without the GIL. Owns those waits, and the
insisting: a guest that is just being asked when the epoch changes does not see the change, because
the engine counts from the epoch at which the answer comes.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.process import KernelProcess

INSIST_S = 0.02
"""How long a guest may compute on before it is asked again."""


@dataclass(slots=True, eq=False)
class _Gate:
    """Where one guest's thread waits while it is paused."""

    process: KernelProcess
    killed: bool = False
    paused: bool = False
    open: threading.Event = field(default_factory=threading.Event)


class Signals:
    """Every guest's gate. All methods but `ends` run on the event loop's thread.

    A guest that has ended is left alone.
    """

    def __init__(self, fabric: Fabric, loop: asyncio.AbstractEventLoop) -> None:
        self._fabric = fabric
        self._loop = loop
        self._gates: dict[int, _Gate] = {}
        self._restless: set[_Gate] = set()
        """Those that were killed and have not ended, or were paused and have not stopped."""
        self._insisting: asyncio.TimerHandle | None = None

    def admit(self, process: KernelProcess) -> None:
        """Take a guest in whose thread has not started."""
        self._gates[process.thread] = _Gate(process)

    def forget(self, process: KernelProcess) -> None:
        """Let a guest go whose thread has ended."""
        self._restless.discard(self._gates.pop(process.thread))

    def kill(self, process: KernelProcess) -> None:
        """End a guest, whatever it is doing; returns at once."""
        gate = self._find(process)
        if gate is None:
            return
        gate.killed = True
        self._fabric.call("host_process_kill", process.number)
        self._open(gate)
        self._ask(gate)

    def pause(self, process: KernelProcess) -> None:
        """Stop a guest; returns at once, and `frozen` tells when it has stopped."""
        gate = self._find(process)
        if gate is None or gate.killed or gate.paused:
            return
        gate.paused = True
        gate.open.clear()
        self._fabric.call("host_process_pause", process.number)
        self._ask(gate)

    def resume(self, process: KernelProcess) -> None:
        """Let a paused guest go on."""
        gate = self._find(process)
        if gate is None or gate.killed or not gate.paused:
            return
        gate.paused = False
        self._fabric.call("host_process_resume", process.number)
        self._open(gate)
        self._restless.discard(gate)

    def frozen(self, process: KernelProcess) -> bool:
        """Tell whether a guest is paused and will not run before it is resumed."""
        return self._fabric.try_call("host_process_frozen", process.number) == 1

    def ends(self, thread: int) -> bool:
        """Say at a change of the epoch whether a guest shall end: killed, and not in the kernel.

        Runs on the guest's thread, and returns only when the guest is not paused.
        """
        if self._flag(thread, self._fabric.in_kernel_offset):
            return False
        if self._flag(thread, self._fabric.paused_offset):
            self._wait(thread)
        return self._flag(thread, self._fabric.killed_offset)

    def close(self) -> None:
        """Insist no more; every guest has ended."""
        if self._insisting is not None:
            self._insisting.cancel()

    def _flag(self, thread: int, offset: int) -> bool:
        return self._fabric.view[thread + offset] != 0

    def _wait(self, thread: int) -> None:
        gate = self._gates[thread]
        while self._is_held(thread):
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._waits, gate)
            gate.open.wait()

    def _is_held(self, thread: int) -> bool:
        paused = self._flag(thread, self._fabric.paused_offset)
        return paused and not self._flag(thread, self._fabric.killed_offset)

    def _waits(self, gate: _Gate) -> None:
        """Have the kernel count a thread as one that needs no core."""
        if gate.paused and not gate.killed and self._find(gate.process) is gate:
            self._fabric.call("host_process_hold", gate.process.number, 1)

    def _find(self, process: KernelProcess) -> _Gate | None:
        gate = self._gates.get(process.thread)
        return gate if gate is not None and gate.process is process else None

    def _open(self, gate: _Gate) -> None:
        self._fabric.call("host_process_hold", gate.process.number, 0)
        gate.open.set()

    def _ask(self, gate: _Gate) -> None:
        self._restless.add(gate)
        self._fabric.engine.increment_epoch()
        if self._insisting is None:
            self._insisting = self._loop.call_later(INSIST_S, self._insist)

    def _insist(self) -> None:
        self._insisting = None
        for gate in [one for one in self._restless if not one.killed]:
            if self.frozen(gate.process):
                self._restless.discard(gate)
        if self._restless:
            self._fabric.engine.increment_epoch()
            self._insisting = self._loop.call_later(INSIST_S, self._insist)
