"""The host's ends of a guest's standard streams: pipes in the fabric."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from vnet.host import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod_node.engine.process import KernelProcess
    from pod_node.engine.surroundings import Surroundings
    from pod_node.runtime import OnOutput

OUTPUT_SIZE = 64 * 1024
"""The size of a stdio pipe: one read empties it, and a flood gets one read a turn of the loop."""
_NO_DESCRIPTOR = 0xFFFFFFFF


class HostOutput:
    """What a guest writes, passed on as it comes."""

    def __init__(
        self, around: Surroundings, descriptor: int, deliver: Callable[[bytes], None]
    ) -> None:
        self._around = around
        self._descriptor = descriptor
        self._deliver = deliver
        self._closed = self._held = False

    def arm(self) -> None:
        """Pass on what comes next."""
        self._around.watches.watch(self._descriptor, Event.READ, self._readable)

    def hold(self) -> None:
        """Leave what comes in the pipe."""
        self._held = True

    def go_on(self) -> None:
        """Pass on what comes again."""
        if self._held and not self._closed:
            self._held = False
            self.arm()

    def drain(self) -> None:
        """Pass on what is there."""
        while data := self._around.fabric.read(self._descriptor, OUTPUT_SIZE):
            self._deliver(data)

    def close(self) -> None:
        """Give the descriptor back; whoever still writes there gets EPIPE."""
        if not self._closed:
            self._closed = True
            self._around.watches.forget(self._descriptor)
            self._around.fabric.close(self._descriptor)

    def _readable(self) -> None:
        """Pass on what one read gives, and go on even if whoever hears it fails."""
        if self._closed or self._held:
            return
        data = self._around.fabric.read(self._descriptor, OUTPUT_SIZE)
        if data != b"":
            self.arm()
        if data:
            self._deliver(data)


def host_outputs(
    around: Surroundings, process: KernelProcess, on_output: OnOutput
) -> list[HostOutput]:
    """Give the host's ends of a process's output and errors; a terminal has one for both."""
    return [
        HostOutput(around, descriptor, partial(on_output, number))
        for number, descriptor in ((1, process.output), (2, process.error))
        if descriptor != _NO_DESCRIPTOR
    ]


class HostInput:
    """What a guest reads."""

    def __init__(self, around: Surroundings, descriptor: int) -> None:
        self._around = around
        self._descriptor = descriptor
        self._closed = False
        self._room = asyncio.Event()

    async def write(self, data: bytes) -> None:
        """Write all of it, waiting while the pipe is full; what nobody reads is dropped."""
        view = memoryview(data)
        while view and not self._closed:
            try:
                taken = self._around.fabric.write(self._descriptor, view)
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                return
            if taken is None:
                await self._wait_for_room()
            else:
                view = view[taken:]

    def write_nowait(self, data: bytes) -> None:
        """Write what there is room for."""
        if not self._closed:
            with suppress(OSError):  # nobody reads any more
                self._around.fabric.write(self._descriptor, data)

    def type_end(self) -> None:
        """Let one read find the end, if this is a terminal's."""
        if not self._closed:
            self._around.fabric.try_call("host_terminal_end", self._descriptor)

    def close(self) -> None:
        """Let the guest read the end."""
        if not self._closed:
            self._closed = True
            self._room.set()
            self._around.watches.forget(self._descriptor)
            self._around.fabric.close(self._descriptor)

    async def _wait_for_room(self) -> None:
        self._room.clear()
        self._around.watches.watch(self._descriptor, Event.WRITE, self._room.set)
        await self._room.wait()
