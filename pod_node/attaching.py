"""Whoever is attached to a pod's main process: what they see and what they type.

Owns who is there, what waits for each, and the line discipline of the pod's terminal, of which
there is one however many type. A pod never waits for somebody who watches: who reads too slowly
loses output and is told how much; the pod's log has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from pod_node.executing import Ended, Input, InputTaken, Output, Resize
from pod_node.keyboard import type_keys
from pod_node.terminal import LineDiscipline, shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from pod_node.runtime import ProcessInput
    from pod_node.spec import PodExit, PodSpec
    from vnet.tasks import TaskOwner

BACKLOG_BYTES = 1 << 20
"""Output that may wait for somebody who is attached: sixteen times what a pipe holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Somebody is attached, and the main process is like this."""

    reads_input: bool
    """Whether it reads what they send."""
    terminal: bool
    """Whether it has one."""


@dataclass(frozen=True, slots=True)
class OutputLost:
    """So many bytes are left out here."""

    size: int


AttachStep = Input | Resize
AttachEvent = Attached | Output | OutputLost | InputTaken | Ended


class _Seat:
    """Events that somebody who is attached has not taken yet."""

    def __init__(self) -> None:
        self._events: deque[AttachEvent] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    def put(self, event: AttachEvent) -> None:
        self._events.append(event)
        self._changed.set()

    def output(self, descriptor: int, data: bytes) -> None:
        if self._bytes + len(data) <= BACKLOG_BYTES:
            self._bytes += len(data)
            self.put(Output(descriptor, data))
            return
        last = self._events[-1]
        if isinstance(last, OutputLost):
            self._events[-1] = OutputLost(last.size + len(data))
        else:
            self.put(OutputLost(len(data)))

    async def take(self) -> AttachEvent:
        while not self._events:
            self._changed.clear()
            await self._changed.wait()
        event = self._events.popleft()
        if isinstance(event, Output):
            self._bytes -= len(event.data)
        return event


class Console:
    """The main process of one life of a pod, for those who attach to it."""

    def __init__(self, spec: PodSpec) -> None:
        self._spec = spec
        self._seats: dict[_Seat, None] = {}
        self._discipline = LineDiscipline()
        self._end: PodExit | None = None

    def output(self, descriptor: int, data: bytes) -> None:
        """Show what it wrote."""
        if self._seats:
            self._show(descriptor, shown(data) if self._spec.tty else data)

    def ended(self, end: PodExit) -> None:
        """Say how it ended, after all that it wrote."""
        self._end = end
        for seat in self._seats:
            seat.put(Ended(end))

    async def attach(
        self, process: ProcessInput, steps: AsyncIterable[AttachStep], tasks: TaskOwner
    ) -> AsyncGenerator[AttachEvent, None]:
        """Yield what comes out of the process from now on, to its end, and pass on what is sent.

        Args:
            process: The main process.
            steps: What is sent; who says no more may still watch.
            tasks: Owns the task that passes it on.
        """
        seat = _Seat()
        self._seats[seat] = None
        passing = tasks.spawn(self._pass_on(process, steps, seat), "what is sent to a pod")
        try:
            yield Attached(reads_input=self._spec.stdin_open, terminal=self._spec.tty)
            if self._end is not None:
                seat.put(Ended(self._end))
            while True:
                event = await seat.take()
                yield event
                if isinstance(event, Ended):
                    return
        finally:
            passing.cancel()
            del self._seats[seat]

    async def _pass_on(
        self, process: ProcessInput, steps: AsyncIterable[AttachStep], seat: _Seat
    ) -> None:
        async for step in steps:
            match step:
                case Input(data):
                    if self._spec.stdin_open:
                        await self._type(process, data)
                    seat.put(InputTaken(len(data)))
                case Resize(window):
                    if self._spec.tty:
                        process.resize(window)
                case _:
                    assert_never(step)

    async def _type(self, process: ProcessInput, data: bytes) -> None:
        if self._spec.tty:
            type_keys(data, self._discipline, process, lambda seen: self._show(1, seen))
        else:
            await process.write(data)

    def _show(self, descriptor: int, data: bytes) -> None:
        for seat in self._seats:
            seat.output(descriptor, data)
