"""Kills guests, stops them for a while and lets them go on: SIGKILL, SIGSTOP, SIGCONT, and shares.

A guest that is blocked in the kernel, or comes there, is ended or stopped by the kernel itself. One
that computes is asked when the engine's epoch changes whether it shall end. While it is paused, or
has used its share of a processor, the answer waits, outside of the kernel and without the GIL. Owns
those waits, and the insisting: a guest that is just being asked when the epoch changes does not see
the change, because the engine counts from the epoch at which the answer comes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING

from pod_node.engine.epoch import FAR_TICKS, Epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod_node.engine.fabric import Fabric
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.share import Share

INSIST_S = 0.02
"""How long a guest may compute on before it is asked again."""


class _Held(IntFlag):
    """Why the node keeps a thread from running; the kernel's numbers."""

    NOT = 0
    PAUSED = 1
    THROTTLED = 2


@dataclass(frozen=True, slots=True)
class _Throttled:
    """For how long a guest has waited for its share."""

    before_s: float = 0.0
    since: float | None = None
    """When it began to wait, while it does."""

    def total_s(self, now: float) -> float:
        return self.before_s + (now - self.since if self.since is not None else 0.0)


@dataclass(slots=True, eq=False)
class _Gate:
    """Where one guest's thread waits while it may not compute."""

    process: KernelProcess
    share: Share | None
    """None for a guest that may compute all the time."""
    charged_s: float = 0.0
    """CPU time that its share was charged for."""
    killed: bool = False
    paused: bool = False
    held: _Held = _Held.NOT
    """What the kernel was told."""
    throttled: _Throttled = _Throttled()
    changed: threading.Event = field(default_factory=threading.Event)
    """Set after a change of what the thread waits for."""

    @property
    def ticks(self) -> int:
        """After how many ticks the guest is asked again."""
        return 1 if self.share else FAR_TICKS


class Signals:
    """Every guest's gate. All methods but `ask` run on the event loop's thread.

    A guest that has ended is left alone.
    """

    def __init__(self, fabric: Fabric, loop: asyncio.AbstractEventLoop) -> None:
        self._fabric = fabric
        self._loop = loop
        self._epoch = Epoch(fabric.engine, loop)
        self._gates: dict[int, _Gate] = {}
        self._restless: set[_Gate] = set()
        """Those that were killed and have not ended, or were paused and have not stopped."""
        self._insisting: asyncio.TimerHandle | None = None

    def admit(self, process: KernelProcess, share: Share | None = None) -> None:
        """Take a guest in whose thread has not started; with a share it computes within that."""
        self._gates[process.thread] = _Gate(process, None)
        if share is not None:
            self.limit(process, share)

    def limit(self, process: KernelProcess, share: Share) -> None:
        """Have a guest compute within a share from now on; nothing changes if it does already."""
        gate = self._find(process)
        if gate is None or gate.share is not None:
            return
        gate.share = share
        self._epoch.begin_ticks()
        self._epoch.ask_all()

    def forget(self, process: KernelProcess) -> None:
        """Let a guest go whose thread has ended."""
        gate = self._gates.pop(process.thread)
        self._restless.discard(gate)
        if gate.share:
            self._epoch.end_ticks()

    def kill(self, process: KernelProcess) -> None:
        """End a guest, whatever it is doing; returns at once."""
        gate = self._find(process)
        if gate is None:
            return
        self._fabric.call("host_process_kill", process.number)
        self._end(gate)

    def send(self, process: KernelProcess, number: int, *, session: bool = False) -> None:
        """Send a guest a signal; with `session` also to all that descend from it.

        What that ends is ended at once, whatever it is doing.

        Raises:
            OSError: there is no such signal (EINVAL).
        """
        if self._find(process) is None:
            return
        self._fabric.call("host_process_signal", process.number, number, int(session))
        self.notice_kills()

    def notice_kills(self) -> None:
        """See to it that those end whom a signal has killed in the kernel."""
        for gate in list(self._gates.values()):
            if not gate.killed and self._flag(gate.process.thread, self._fabric.killed_offset):
                self._end(gate)

    def _end(self, gate: _Gate) -> None:
        gate.killed = True
        self._hold(gate, _Held.NOT)
        gate.changed.set()
        self._insist_on(gate)

    def pause(self, process: KernelProcess) -> None:
        """Stop a guest; returns at once, and `frozen` tells when it has stopped."""
        gate = self._find(process)
        if gate is None or gate.killed or gate.paused:
            return
        gate.paused = True
        self._fabric.call("host_process_pause", process.number)
        gate.changed.set()
        self._insist_on(gate)

    def resume(self, process: KernelProcess) -> None:
        """Let a paused guest go on."""
        gate = self._find(process)
        if gate is None or gate.killed or not gate.paused:
            return
        gate.paused = False
        self._fabric.call("host_process_resume", process.number)
        self._hold(gate, gate.held & ~_Held.PAUSED)
        gate.changed.set()
        self._restless.discard(gate)

    def frozen(self, process: KernelProcess) -> bool:
        """Tell whether a guest is paused and will not run before it is resumed."""
        return self._fabric.try_call("host_process_frozen", process.number) == 1

    def throttled_s(self, process: KernelProcess) -> float:
        """Return for how long a guest has waited for its share, in seconds; 0 once it is gone."""
        gate = self._find(process)
        return gate.throttled.total_s(time.monotonic()) if gate is not None else 0.0

    def ask(self, thread: int) -> int:
        """Say at a change of the epoch after how many ticks a guest is asked again; 0 ends it.

        It ends when it was killed and is not in the kernel. Runs on the guest's thread, and returns
        only when the guest is not paused and has some of its share left.
        """
        gate = self._gates[thread]
        if gate.share:
            self._epoch.stir()
        if self._flag(thread, self._fabric.in_kernel_offset):
            return gate.ticks
        self._hold_back(gate)
        return 0 if self._flag(thread, self._fabric.killed_offset) else gate.ticks

    def close(self) -> None:
        """Insist no more; every guest has ended."""
        if self._insisting is not None:
            self._insisting.cancel()

    def _flag(self, thread: int, offset: int) -> bool:
        return self._fabric.view[thread + offset] != 0

    def _hold_back(self, gate: _Gate) -> None:
        thread = gate.process.thread
        while True:
            gate.changed.clear()
            if self._flag(thread, self._fabric.killed_offset):
                return
            if self._flag(thread, self._fabric.paused_offset):
                self._tell(self._rests, gate)
                gate.changed.wait()
            elif wait_s := _charge(gate):
                self._throttle(gate, wait_s)
            else:
                return

    def _throttle(self, gate: _Gate, wait_s: float) -> None:
        gate.throttled = _Throttled(gate.throttled.before_s, time.monotonic())
        self._tell(self._is_throttled, gate)
        gate.changed.wait(wait_s)
        self._tell(self._is_throttled_no_more, gate)
        gate.throttled = _Throttled(gate.throttled.total_s(time.monotonic()))

    def _tell(self, method: Callable[[_Gate], None], gate: _Gate) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(method, gate)

    def _rests(self, gate: _Gate) -> None:
        if gate.paused:
            self._hold(gate, gate.held | _Held.PAUSED)

    def _is_throttled(self, gate: _Gate) -> None:
        self._hold(gate, gate.held | _Held.THROTTLED)

    def _is_throttled_no_more(self, gate: _Gate) -> None:
        self._hold(gate, gate.held & ~_Held.THROTTLED)
        self._epoch.hurry()

    def _hold(self, gate: _Gate, held: _Held) -> None:
        """Have the kernel count the thread as one that needs a core, or as one that does not."""
        if self._find(gate.process) is not gate:
            return
        gate.held = held if not gate.killed else _Held.NOT
        self._fabric.call("host_process_hold", gate.process.number, gate.held)

    def _find(self, process: KernelProcess) -> _Gate | None:
        gate = self._gates.get(process.thread)
        return gate if gate is not None and gate.process is process else None

    def _insist_on(self, gate: _Gate) -> None:
        self._restless.add(gate)
        self._epoch.ask_all()
        if self._insisting is None:
            self._insisting = self._loop.call_later(INSIST_S, self._insist)

    def _insist(self) -> None:
        self._insisting = None
        for gate in [one for one in self._restless if not one.killed]:
            if self.frozen(gate.process):
                self._restless.discard(gate)
        if self._restless:
            self._epoch.ask_all()
            self._insisting = self._loop.call_later(INSIST_S, self._insist)


def _charge(gate: _Gate) -> float:
    """Charge the share for what the calling thread, the gate's, has used; how long it must wait."""
    if gate.share is None:
        return 0.0
    used_s = time.thread_time()
    delta_s, gate.charged_s = used_s - gate.charged_s, used_s
    return gate.share.charge(delta_s, time.monotonic())
