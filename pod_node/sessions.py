"""Carries one executed program between whoever asked for it and its pod.

Owns the order of events, the bounds of what waits on either side, and the end: whoever stops
listening ends the program. The line discipline of its terminal is `terminal.py`'s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from pod_node.executing import (
    Ended,
    ExecEvent,
    Input,
    InputEnd,
    InputTaken,
    Output,
    Resize,
    SendSignal,
    Started,
)
from pod_node.keyboard import type_keys
from pod_node.terminal import LineDiscipline, shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable

    from pod_node.executing import ExecStep
    from pod_node.runtime import OnExit, OnOutput, Process
    from pod_node.spec import PodExit
    from vnet.tasks import TaskOwner

BACKLOG_BYTES = 256 * 1024
"""Output that may wait for a slow reader; then the program waits, as on a full pipe."""
INPUT_BYTES = 1 << 20
"""Input that may wait for the program; a caller that heeds `InputTaken` has less under way."""


class _Backlog:
    """Events that nobody has taken yet."""

    def __init__(self) -> None:
        self.process: Process | None = None
        self._events: deque[ExecEvent] = deque()
        self._bytes = 0
        self._held = False
        self._changed = asyncio.Event()

    def output(self, descriptor: int, data: bytes) -> None:
        self._bytes += len(data)
        self.put(Output(descriptor, data))
        if self._bytes > BACKLOG_BYTES and not self._held and self.process is not None:
            self._held = True
            self.process.hold_output()

    def put(self, event: ExecEvent) -> None:
        self._events.append(event)
        self._changed.set()

    def ended(self, end: PodExit) -> None:
        self.put(Ended(end))

    async def take(self) -> ExecEvent:
        while not self._events:
            self._changed.clear()
            await self._changed.wait()
        event = self._events.popleft()
        if isinstance(event, Output):
            self._bytes -= len(event.data)
            if self._held and self._bytes <= BACKLOG_BYTES // 2 and self.process is not None:
                self._held = False
                self.process.go_on_with_output()
        return event


class _Inputs:
    """Input that the program has not read yet, and its end."""

    def __init__(self) -> None:
        self._chunks: deque[bytes | None] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def put(self, chunk: bytes | None) -> None:
        """Add some, or the end; wait while there is too much."""
        while self._bytes >= INPUT_BYTES:
            self._changed.clear()
            await self._changed.wait()
        self._chunks.append(chunk)
        self._bytes += len(chunk or b"")
        self._changed.set()

    async def write_to(self, process: Process, backlog: _Backlog) -> None:
        """Let the program read it all."""
        while True:
            while not self._chunks:
                self._changed.clear()
                await self._changed.wait()
            chunk = self._chunks.popleft()
            if chunk is None:
                process.end_input()
                return
            await process.write(chunk)
            self._bytes -= len(chunk)
            self._changed.set()
            backlog.put(InputTaken(len(chunk)))


async def no_steps() -> AsyncGenerator[ExecStep, None]:
    """Say nothing to a program, which reads the end of its input."""
    nothing: tuple[ExecStep, ...] = ()
    for step in nothing:
        yield step


async def run_session(
    start: Callable[[OnOutput, OnExit], Process],
    steps: AsyncIterable[ExecStep],
    tasks: TaskOwner,
    *,
    terminal: bool,
) -> AsyncGenerator[ExecEvent, None]:
    """Start a program, give it what comes in, and yield what comes out, to its end.

    Args:
        start: Starts it; what it raises comes out of here.
        steps: What its caller says; a caller that says no more may still listen.
        tasks: Owns the tasks that feed it.
        terminal: Whether it has one.
    """
    backlog, inputs = _Backlog(), _Inputs()
    process = backlog.process = start(
        (lambda _, data: backlog.output(1, shown(data))) if terminal else backlog.output,
        backlog.ended,
    )
    feed = _type(process, steps, backlog) if terminal else _feed(process, steps, inputs)
    feeding = [
        tasks.spawn(feed, f"what process {process.pid} is told"),
        tasks.spawn(inputs.write_to(process, backlog), f"input of process {process.pid}"),
    ]
    try:
        yield Started(process.pid)
        while True:
            event = await backlog.take()
            yield event
            if isinstance(event, Ended):
                return
    finally:
        for task in feeding:
            task.cancel()
        process.kill()


async def _feed(process: Process, steps: AsyncIterable[ExecStep], inputs: _Inputs) -> None:
    async for step in steps:
        match step:
            case Input(data):
                await inputs.put(data)
            case InputEnd():
                await inputs.put(None)
            case _:
                _tell(process, step)
    await inputs.put(None)


async def _type(process: Process, steps: AsyncIterable[ExecStep], backlog: _Backlog) -> None:
    discipline = LineDiscipline()
    async for step in steps:
        match step:
            case Input(data):
                type_keys(data, discipline, process, lambda seen: backlog.put(Output(1, seen)))
                backlog.put(InputTaken(len(data)))
            case InputEnd():
                process.type_end()
            case _:
                _tell(process, step)


def _tell(process: Process, step: Resize | SendSignal) -> None:
    match step:
        case Resize(window):
            process.resize(window)
        case SendSignal(number):
            with suppress(OSError):  # no such signal
                process.signal(number)
        case _:
            assert_never(step)
