"""A program in a pod, with this command's standard streams and terminal.

Owns what `podnet exec` and `podnet shell` do here: the terminal's raw mode, what is read from
standard input and how much of it is under way, signals, and the exit status.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
import tty
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.codec import DeploymentRefusedError
from orchestrator.feeding import CHUNK_BYTES, Feed
from pod_node.executing import (
    Ended,
    ExecOrder,
    InputEnd,
    InputTaken,
    Output,
    Resize,
    SendSignal,
    WindowSize,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient

CANNOT_RUN = 126
DEFAULT_ROWS, DEFAULT_COLUMNS = 24, 80
"""Of a terminal that does not know its size."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run."""

    target: str
    index: int
    command: tuple[str, ...]
    """Empty is the shell of the pod's image."""
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    interactive: bool
    terminal: bool


def run(reach: Reach, program: Program) -> int:
    """Run a program and return its exit status."""
    try:
        return reach.follow(lambda client: _run(client, program))
    except DeploymentRefusedError as error:
        click.echo(f"error: {error}", err=True)
        return CANNOT_RUN


async def _run(client: DeploymentClient, program: Program) -> int:
    order = ExecOrder(
        pod=program.target,
        command=program.command,
        environment=_environment(program),
        working_dir=program.working_dir,
        window=_window() if program.terminal else None,
    )
    steps = Feed()
    loop = asyncio.get_running_loop()
    with _signals(loop, steps, program), _raw(program):
        if program.interactive:
            _read_input(loop, steps)
        else:
            steps.tell(InputEnd())
        events = client.exec(order, program.index, aiter(steps))
        async with aclosing(events):
            async for event in events:
                match event:
                    case Output(descriptor, data):
                        await asyncio.to_thread(_write_all, descriptor, data)
                    case InputTaken(size):
                        steps.taken(size)
                    case Ended(end):
                        return end.status
                    case _:
                        pass
    return CANNOT_RUN


def _environment(program: Program) -> tuple[tuple[str, str], ...]:
    kind = os.environ.get("TERM", "")
    if not program.terminal or not kind or "TERM" in dict(program.environment):
        return program.environment
    return (("TERM", kind), *program.environment)


def _window() -> WindowSize:
    size = os.get_terminal_size(sys.stdin.fileno())
    return WindowSize(size.lines or DEFAULT_ROWS, size.columns or DEFAULT_COLUMNS)


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, steps: Feed, program: Program) -> Iterator[None]:
    """Pass signals on to the program for as long as the block lasts."""
    numbers = [*PASSED_ON, signal.SIGWINCH] if program.terminal else list(PASSED_ON)
    for number in numbers:
        if number == signal.SIGWINCH:
            loop.add_signal_handler(number, lambda: steps.tell(Resize(_window())))
        else:
            loop.add_signal_handler(number, steps.tell, SendSignal(number))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def _raw(program: Program) -> Iterator[None]:
    """Have every key come here as it is, and leave the terminal as it was."""
    if not program.terminal:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read_input(loop: asyncio.AbstractEventLoop, steps: Feed) -> None:
    """Pass standard input on from a thread of its own, which the process does not wait for.

    Terminals, pipes and files are all read so, and never left non-blocking for others.
    """

    def read() -> None:
        try:
            while data := os.read(0, CHUNK_BYTES):
                asyncio.run_coroutine_threadsafe(steps.type(data), loop).result()
            loop.call_soon_threadsafe(steps.tell, InputEnd())
        except (OSError, RuntimeError, asyncio.CancelledError):
            return  # the program has ended meanwhile, or there is no standard input

    threading.Thread(target=read, name="standard input", daemon=True).start()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
