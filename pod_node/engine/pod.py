"""A booted pod as the node holds it: its processes, their output, how they ended.

Lives on the event loop's thread; guests' own threads only post their ends here. The pod lives as
long as its main process: when that ends, the others are killed, and when the last of them has ended
everything is given back.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from pod_node.engine.disks import FabricDisks
from pod_node.engine.executed import EngineProcess
from pod_node.engine.input import EngineInput
from pod_node.engine.lock_folders import remove_lock_folders
from pod_node.engine.process import (
    ProcessUse,
    exec_process,
    process_usage,
    reap_pod,
    reap_process,
    reserve_memory,
)
from pod_node.engine.share import Share
from pod_node.engine.stdio import host_outputs
from pod_node.errors import BootError
from pod_node.spec import ExitKind, PodExit
from pod_node.usage import PodUsage

if TYPE_CHECKING:
    from pod_node.engine.guest import Guest
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.surroundings import Surroundings
    from pod_node.executing import ProgramCall, WindowSize
    from pod_node.runtime import OnExit, OnOutput, OnRunning
    from pod_node.spec import PodSpec

MakeGuest = Callable[["KernelProcess", "ProgramCall"], "Guest"]
"""Prepares a guest for another process of the pod; an `OSError` says why not."""


_NEVER_RAN = PodExit(kind=ExitKind.KILLED, status=137)


class EnginePod:
    """The processes of one pod, from the start of the first until everything is given back."""

    def __init__(
        self,
        around: Surroundings,
        guest: Guest,
        make_guest: MakeGuest,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None,
    ) -> None:
        self._around = around
        self._main = guest
        self._make_guest = make_guest
        self._on_output = on_output
        self._on_exit = on_exit
        self._on_running = on_running
        self._gone = asyncio.Event()
        self._outcome: PodExit | None = None
        self._guests: dict[KernelProcess, Guest] = {}
        self._ended_cpu_s = 0.0
        self._paused = False
        self._share: Share | None = None
        self._full: set[str] = set()
        self.input = EngineInput(around, self.process)
        """What its main process is told."""
        self._outputs = host_outputs(around, self.process, self._hear)

    @property
    def spec(self) -> PodSpec:
        """What the pod was booted from, with its image's mounts and environment."""
        return self._main.spec

    @property
    def process(self) -> KernelProcess:
        """Its main process."""
        return self._main.process

    def start(self, on_gone: Callable[[EnginePod], None]) -> None:
        """Run the main process; `on_gone` is called when everything of the pod is given back.

        Raises:
            BootError: there is no room for its thread; everything was given back.
        """
        self._on_gone = on_gone
        if not (self.spec.stdin_open or self.spec.tty):
            self.input.end_input()
        self._admit(self._main)
        try:
            reserve_memory(self._around.fabric, self.process, self._main.program)
            for output in self._outputs:
                output.arm()
            self._main.start(self._running, lambda outcome: self._post(self._main_ended, outcome))
        except (OSError, RuntimeError) as error:
            self._forget(self._main)
            self._give_back(_NEVER_RAN)
            self._around.fabric.call("host_files_release", self.process.files)
            raise BootError(
                self.spec.name, f"its thread could not be started ({error}); run fewer pods"
            ) from error

    def spawn(self, process: KernelProcess, request: ProgramCall) -> None:
        """Start a guest for a process that one of the pod's asked for.

        Raises:
            OSError: it cannot be, for the reason that the guest is told.
        """
        self._start(process, request, lambda outcome: None)

    def exec(
        self,
        call: ProgramCall,
        on_output: OnOutput,
        on_exit: OnExit,
        window: WindowSize | None = None,
    ) -> EngineProcess:
        """Run another program in the pod, as a process of the node's; see `runtime.Pod.exec`.

        Raises:
            OSError: it cannot be: no such program (ENOENT), too many processes (EAGAIN), no room.
        """
        if self._outcome is not None:
            raise OSError(errno.ESRCH, "the pod is ending")
        process = exec_process(self._around.fabric, self.process, window)
        executed = EngineProcess(self._around, process, on_output, on_exit)
        try:
            self._start(process, call, executed.ended)
        except OSError as error:
            executed.give_back()
            reap_process(self._around.fabric, process, _NEVER_RAN)
            raise error
        executed.listen()
        return executed

    def kill(self) -> None:
        """End all processes, whatever they are doing; returns at once."""
        for process in self._guests:
            self._around.signals.kill(process)

    def signal(self, number: int) -> None:
        """Send the main process a signal.

        Raises:
            OSError: there is no such signal (EINVAL).
        """
        self._around.signals.send(self.process, number)

    def pause(self) -> None:
        """Stop all processes where they are, within 100 ms; returns at once.

        Their sockets stay: peers' data queues up, and so do connections in their backlogs.
        Time-outs of what they wait for pass meanwhile.
        """
        self._paused = True
        for process in self._guests:
            self._around.signals.pause(process)

    def resume(self) -> None:
        """Let a paused pod go on."""
        self._paused = False
        for process in self._guests:
            self._around.signals.resume(process)

    def usage(self) -> PodUsage:
        """Say what the pod uses right now."""
        guests = self._guests.values()
        signals = self._around.signals
        used = [process_usage(self._around.fabric, process) for process in self._guests]
        whole = used[0] if used else ProcessUse(0, 0, 0, 0, 0, 0, 0)
        return PodUsage(
            pod=self.spec.name,
            cpu_time_s=self._ended_cpu_s + sum(guest.cpu_time_s() for guest in guests),
            throttled_s=sum(signals.throttled_s(process) for process in self._guests),
            memory_bytes=sum(one.memory_bytes for one in used),
            memory_limit_bytes=self.spec.limits.memory_bytes,
            fabric_bytes=whole.fabric_bytes,
            fabric_limit_bytes=whole.fabric_limit_bytes,
            sockets=whole.sockets,
            sockets_limit=whole.sockets_limit,
            descriptors=sum(one.descriptors for one in used),
            descriptors_limit=whole.descriptors_limit,
            processes=len(used),
        )

    def disks(self) -> FabricDisks:
        """What its root and its tmpfs take; see `FabricDisks`."""
        return FabricDisks(self._around.fabric, self.process.files, self._main.mounts)

    def full_disks(self) -> list[str]:
        """Which of them have refused something, each once."""
        refusing = {usage.target for usage in self.disks().usage() if usage.refusals}
        fresh = sorted(refusing - self._full)
        self._full |= refusing
        return fresh

    @property
    def frozen(self) -> bool:
        """Whether the pod is paused and all its processes have come to rest."""
        signals = self._around.signals
        return bool(self._guests) and all(signals.frozen(process) for process in self._guests)

    async def wait(self) -> None:
        """Wait until the pod is gone."""
        await self._gone.wait()

    def _start(
        self,
        process: KernelProcess,
        request: ProgramCall,
        on_end: Callable[[PodExit], None],
    ) -> None:
        guest = self._make_guest(process, request)
        reserve_memory(self._around.fabric, process, guest.program)
        self._admit(guest)

        def ended(outcome: PodExit) -> None:
            self._post(lambda end: self._process_ended(guest, end, on_end), outcome)

        try:
            guest.start(lambda: None, ended)
        except RuntimeError as error:  # no room for another thread
            self._forget(guest)
            raise OSError(errno.EAGAIN, str(error)) from error

    def _admit(self, guest: Guest) -> None:
        signals, cpus = self._around.signals, self.spec.limits.cpus
        self._guests[guest.process] = guest
        if cpus is not None and self._share is None and cpus < len(self._guests):
            self._share = Share(cpus, time.monotonic())
        signals.admit(guest.process, self._share)
        if self._share is not None:
            for process in self._guests:
                signals.limit(process, self._share)
        if self._paused:
            signals.pause(guest.process)

    def _forget(self, guest: Guest) -> None:
        self._around.signals.forget(guest.process)
        del self._guests[guest.process]

    def _hear(self, number: int, data: bytes) -> None:
        self._on_output(number, data)

    def _running(self) -> None:
        """Runs on the guest's thread, as the last thing before the guest."""
        if self._on_running is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop = self._around.loop
                loop.call_soon_threadsafe(self._on_running, loop.time())

    def _post(self, method: Callable[[PodExit], None], outcome: PodExit) -> None:
        """Runs on a guest's thread, as the last thing it does."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._around.loop.call_soon_threadsafe(method, outcome)

    def _process_ended(
        self, guest: Guest, outcome: PodExit, on_end: Callable[[PodExit], None]
    ) -> None:
        guest.join()
        self._ended_cpu_s += guest.cpu_at_end_s
        self._forget(guest)
        seen = reap_process(self._around.fabric, guest.process, outcome)
        self._remove_lock_folders()
        try:
            on_end(seen)
        finally:
            self._finish_if_last()

    def _main_ended(self, outcome: PodExit) -> None:
        self._main.join()
        self._forget(self._main)
        self._outcome = outcome
        self._around.fabric.call("host_pod_end", self.process.number)
        self._around.signals.notice_kills()
        self._finish_if_last()

    def _finish_if_last(self) -> None:
        if self._outcome is None or self._guests:
            return
        outcome = self._outcome
        try:
            outcome = self._give_back(outcome)
        finally:
            self._gone.set()
            self._on_gone(self)
            try:
                self._on_exit(outcome)
            finally:
                self._around.fabric.call("host_files_release", self.process.files)

    def _remove_lock_folders(self) -> None:
        remove_lock_folders(self._around.fabric, self.process.files, self._main.mounts)

    def _give_back(self, outcome: PodExit) -> PodExit:
        """Free what the pod had in the kernel, after passing on its last words."""
        seen = reap_pod(self._around.fabric, self.process, outcome)
        self._remove_lock_folders()
        try:
            for output in self._outputs:
                output.drain()
        finally:
            self.input.end_input()
            for output in self._outputs:
                output.close()
        return seen
