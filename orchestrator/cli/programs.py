"""A program in a pod, with this command's standard streams and terminal.

Owns what `podnet exec` and `podnet shell` do here: signals, how much input is under way, and the
exit status.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminals import raw_terminal, read_input, window_size, write_all
from orchestrator.codec import DeploymentRefusedError
from orchestrator.codec.feeding import Feed
from pod_node.executing import (
    Ended,
    ExecOrder,
    InputEnd,
    InputTaken,
    Output,
    Resize,
    SendSignal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient

CANNOT_RUN = 126
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
        window=window_size() if program.terminal else None,
    )
    steps = Feed()
    loop = asyncio.get_running_loop()
    raw = raw_terminal() if program.terminal else nullcontext()
    with _signals(loop, steps, program), raw:
        if program.interactive:
            read_input(loop, steps.type, lambda: steps.tell(InputEnd()))
        else:
            steps.tell(InputEnd())
        events = client.exec(order, program.index, aiter(steps))
        async with aclosing(events):
            async for event in events:
                match event:
                    case Output(descriptor, data):
                        await asyncio.to_thread(write_all, descriptor, data)
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


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, steps: Feed, program: Program) -> Iterator[None]:
    """Pass signals on to the program for as long as the block lasts."""
    numbers = [*PASSED_ON, signal.SIGWINCH] if program.terminal else list(PASSED_ON)
    for number in numbers:
        if number == signal.SIGWINCH:
            loop.add_signal_handler(number, lambda: steps.tell(Resize(window_size())))
        else:
            loop.add_signal_handler(number, steps.tell, SendSignal(number))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
