"""A booted pod as the node holds it: kill it, hear its output, learn how it ended.

Lives on the event loop's thread; the guest's own thread only posts its end here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pod_node.engine.disks import FabricDisks
from pod_node.engine.process import reap_process
from pod_node.errors import BootError
from pod_node.usage import PodUsage
from vnet.host import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod_node.engine.fabric import Fabric
    from pod_node.engine.guest import Guest
    from pod_node.engine.signals import Signals
    from pod_node.runtime import OnExit, OnOutput, OnRunning
    from pod_node.spec import PodExit, PodSpec
    from vnet.host import Watches

OUTPUT_SIZE = 64 * 1024
"""The size of a stdio pipe: one read empties it, and a flood gets one read a turn of the loop."""


class EnginePod:
    """One guest, from its start until everything it had is given back."""

    def __init__(
        self,
        fabric: Fabric,
        watches: Watches,
        signals: Signals,
        loop: asyncio.AbstractEventLoop,
        guest: Guest,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None,
    ) -> None:
        self._fabric = fabric
        self._watches = watches
        self._signals = signals
        self._loop = loop
        self._guest = guest
        self._on_output = on_output
        self._on_exit = on_exit
        self._on_running = on_running
        self._gone = asyncio.Event()
        self._outputs = {1: guest.process.output, 2: guest.process.error}

    @property
    def spec(self) -> PodSpec:
        """What the pod was booted from, with its image's mounts and environment."""
        return self._guest.spec

    def start(self, on_gone: Callable[[EnginePod], None]) -> None:
        """Run the guest; `on_gone` is called when everything it had is given back.

        Raises:
            BootError: there is no room for its thread; everything was given back.
        """
        self._on_gone = on_gone
        self._fabric.close(self._guest.process.input)
        try:
            for number in self._outputs:
                self._arm(number)
            self._guest.start(self._running, self._ended)
        except (OSError, RuntimeError) as error:
            self._give_back()
            self._fabric.call("host_files_release", self._guest.process.files)
            raise BootError(
                self.spec.name, f"its thread could not be started ({error}); run fewer pods"
            ) from error

    def terminate(self) -> bool:
        """Ask the guest to end by itself; there is no way to ask it yet."""
        return False

    def kill(self) -> None:
        """End the guest, whatever it is doing; returns at once."""
        self._signals.kill(self._guest.process)

    def pause(self) -> None:
        """Stop the guest where it is, within 100 ms; returns at once.

        Its sockets stay: peers' data queues up, and so do connections in its backlogs. Time-outs of
        what it waits for pass meanwhile.
        """
        self._signals.pause(self._guest.process)

    def resume(self) -> None:
        """Let a paused guest go on."""
        self._signals.resume(self._guest.process)

    def usage(self) -> PodUsage:
        """Say what the pod uses right now."""
        return PodUsage(
            pod=self.spec.name,
            cpu_time_s=self._guest.cpu_time_s(),
            throttled_s=self._signals.throttled_s(self._guest.process),
        )

    def disks(self) -> FabricDisks:
        """What its root and its tmpfs take; see `FabricDisks`."""
        return FabricDisks(self._fabric, self._guest.process.files, self._guest.mounts)

    @property
    def frozen(self) -> bool:
        """Whether the guest is paused and has come to rest."""
        return self._signals.frozen(self._guest.process)

    async def wait(self) -> None:
        """Wait until the pod is gone."""
        await self._gone.wait()

    def _arm(self, number: int) -> None:
        self._watches.watch(self._outputs[number], Event.READ, lambda: self._readable(number))

    def _readable(self, number: int) -> None:
        """Pass on what one read gives, and go on even if whoever hears it fails."""
        if number not in self._outputs:
            return
        data = self._fabric.read(self._outputs[number], OUTPUT_SIZE)
        if data != b"":
            self._arm(number)
        if data:
            self._on_output(number, data)

    def _running(self) -> None:
        """Runs on the guest's thread, as the last thing before the guest."""
        if self._on_running is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._on_running, self._loop.time())

    def _ended(self, outcome: PodExit) -> None:
        """Runs on the guest's thread, as the last thing it does."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._finish, outcome)

    def _finish(self, outcome: PodExit) -> None:
        self._guest.join()
        try:
            self._give_back()
        finally:
            self._gone.set()
            self._on_gone(self)
            try:
                self._on_exit(outcome)
            finally:
                self._fabric.call("host_files_release", self._guest.process.files)

    def _give_back(self) -> None:
        """Free what the guest had in the kernel, after passing on its last words."""
        self._signals.forget(self._guest.process)
        reap_process(self._fabric, self._guest.process)
        try:
            for number, descriptor in self._outputs.items():
                while data := self._fabric.read(descriptor, OUTPUT_SIZE):
                    self._on_output(number, data)
        finally:
            for descriptor in self._outputs.values():
                self._watches.forget(descriptor)
                self._fabric.close(descriptor)
            self._outputs.clear()
