"""Programs that are run in pods beside their own: `subprocess.run`, in a pod."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.codec.feeding import Feed
from pod_node.executing import Ended, ExecOrder, InputEnd, InputTaken, Output
from podnet.errors import ExecError, translated
from podnet.records import seconds_or_none
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from orchestrator.codec import DeploymentClient
    from podnet.records import Duration

_OUTPUT, _ERROR = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedExec:
    """A program that has ended."""

    command: tuple[str, ...]
    status: int
    """As a shell shows it: 137 for one that was killed."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """What it wrote to standard output."""
        return self.stdout.decode("utf-8", "replace")

    def check(self) -> CompletedExec:
        """Return itself.

        Raises:
            ExecError: the status is not 0.
        """
        if self.status:
            raise ExecError(self.command, self.status, self.stderr.decode("utf-8", "replace"))
        return self


async def run(
    client: DeploymentClient,
    target: str,
    command: tuple[str, ...],
    *,
    data: bytes,
    environment: Mapping[str, str],
    working_dir: str,
    index: int,
    limit: Duration | None,
) -> CompletedExec:
    """Run a program to its end; one that takes longer than `limit`, or is given up, is ended.

    Raises:
        RefusedError: there is no such pod, or it does not run.
        TimeoutError: it took too long.
    """
    order = ExecOrder(
        pod=target,
        command=command,
        environment=tuple(environment.items()),
        working_dir=working_dir,
    )
    written = {_OUTPUT: bytearray(), _ERROR: bytearray()}
    status = 0
    feed = Feed()
    with translated():
        async with (
            asyncio.timeout(seconds_or_none(limit)),
            _typing(feed, data),
            aclosing(client.exec(order, index, aiter(feed))) as events,
        ):
            async for event in events:
                match event:
                    case Output(descriptor, chunk):
                        written[descriptor] += chunk
                    case InputTaken(size):
                        feed.taken(size)
                    case Ended(end):
                        status = end.status
                    case _:
                        pass
    return CompletedExec(
        command=command,
        status=status,
        stdout=bytes(written[_OUTPUT]),
        stderr=bytes(written[_ERROR]),
    )


@asynccontextmanager
async def _typing(feed: Feed, data: bytes) -> AsyncGenerator[None, None]:
    """Type input while the block lasts; a program need not read all of it."""

    async def type_all() -> None:
        await feed.type(data)
        feed.tell(InputEnd())

    tasks = TaskOwner()
    tasks.spawn(type_all(), "input of a program")
    try:
        yield
    finally:
        await tasks.cancel_all()
