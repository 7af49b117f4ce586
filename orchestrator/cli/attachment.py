"""The main process of a pod, with this command's standard streams and terminal.

Owns what `podnet attach` does here: when keys go to the pod as they are, how one leaves, and the
exit status.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.cli.detaching import DetachKeys
from orchestrator.cli.terminals import raw_terminal, read_input, window_size, write_all
from orchestrator.codec.feeding import Feed
from pod_node.attaching import Attached, OutputLost
from pod_node.executing import Ended, Input, InputTaken, Output, Resize

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from pod_node.attaching import AttachStep

LEAVING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """To whom to attach, and how."""

    target: str
    index: int
    passes_input: bool
    keys: bytes
    """What leaves a terminal."""


def run(reach: Reach, wanted: Attachment) -> int:
    """Attach until somebody leaves (0) or the pod ends (its exit status)."""
    return reach.follow(lambda client: _run(client, wanted))


async def _run(client: DeploymentClient, wanted: Attachment) -> int:
    loop = asyncio.get_running_loop()
    with ExitStack() as borrowed:
        try:
            async with asyncio.timeout(None) as staying:

                def leave() -> None:
                    staying.reschedule(loop.time())

                for number in LEAVING:
                    loop.add_signal_handler(number, leave)
                    borrowed.callback(loop.remove_signal_handler, number)
                return await _watch(client, wanted, borrowed, leave)
        except TimeoutError:
            if not staying.expired():
                raise
    click.echo("detached; the pod goes on", err=True)
    return 0


async def _watch(
    client: DeploymentClient,
    wanted: Attachment,
    borrowed: ExitStack,
    leave: Callable[[], None],
) -> int:
    feed = Feed()
    events = client.attach(wanted.target, wanted.index, _steps(feed))
    async with aclosing(events):
        async for event in events:
            match event:
                case Attached():
                    _lend(event, wanted, feed, borrowed, leave)
                case Output(descriptor, data):
                    await asyncio.to_thread(write_all, descriptor, data)
                case OutputLost(size):
                    click.echo(f"podnet: {size} bytes are left out here; see its log", err=True)
                case InputTaken(size):
                    feed.taken(size)
                case Ended(end):
                    return end.status
    raise AssertionError("an attachment ends with how the pod ended")


async def _steps(feed: Feed) -> AsyncGenerator[AttachStep, None]:
    async for step in feed:
        if isinstance(step, Input | Resize):
            yield step


def _lend(
    attached: Attached,
    wanted: Attachment,
    feed: Feed,
    borrowed: ExitStack,
    leave: Callable[[], None],
) -> None:
    """Give the pod what it takes of standard input and the terminal here."""
    loop = asyncio.get_running_loop()
    takes = attached.reads_input and wanted.passes_input
    if not (takes and attached.terminal and sys.stdin.isatty()):
        if takes:
            read_input(loop, feed.type, lambda: None)
        return

    def resize() -> None:
        feed.tell(Resize(window_size()))

    detaching = DetachKeys(wanted.keys)

    async def type_keys(data: bytes) -> None:
        passed, found = detaching.type(data)
        await feed.type(passed)
        if found:
            leave()

    loop.add_signal_handler(signal.SIGWINCH, resize)
    borrowed.callback(loop.remove_signal_handler, signal.SIGWINCH)
    borrowed.enter_context(raw_terminal())
    resize()
    read_input(loop, type_keys, leave)
