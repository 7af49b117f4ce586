"""Streams of several nodes as one, while nodes come and go.

Owns the readers, one for each node, and the bounded queue in which they meet. A reader whose node
is lost ends quietly; that the node is lost is told by other means. One whose stream breaks off
although the node is there opens it again: a connection may end that the node outlives. When that
does not help for long, somebody is told that the node is not what it should be.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar

from orchestrator.codec import NodeLostError
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.cluster.member import Member
    from vnet.tasks import TaskOwner

WAITING = 1024
"""Items that may wait for whoever reads; a node that is faster waits."""
REOPEN_S = 0.2
"""Between the end of a stream and the next attempt to open it."""
PATIENCE_S = 15.0
"""How long a node may give no stream before it counts as lost."""
_T = TypeVar("_T")


class Tap(Generic[_T]):
    """One reader of a stream that every node has."""

    def __init__(
        self,
        tasks: TaskOwner,
        open_stream: Callable[[Member, _T | None], AsyncGenerator[_T, None]],
        *,
        ends: bool,
    ) -> None:
        """Prepare to read.

        Args:
            tasks: Has the readers.
            open_stream: Opens a node's stream, given what came last when it broke off.
            ends: Whether it is over when every stream is; otherwise nodes that join are read too.
        """
        self._owner = tasks
        self._open = open_stream
        self._ends = ends
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queue: asyncio.Queue[tuple[Member | None, _T | OrchestratorError | None]] = (
            asyncio.Queue(WAITING)
        )

    def add(self, member: Member) -> None:
        """Read a node's stream too."""
        self._tasks[member.name] = self._owner.spawn(
            self._follow(member), f"stream of {member.name}"
        )

    def drop(self, member: Member) -> None:
        """Read a node's stream no more."""
        if (task := self._tasks.pop(member.name, None)) is not None:
            task.cancel()

    async def put(self, item: _T | OrchestratorError) -> None:
        """Have an item that comes from no node."""
        await self._queue.put((None, item))

    async def items(self) -> AsyncGenerator[tuple[Member | None, _T], None]:
        """Give what comes, with whom it comes from."""
        while True:
            member, item = await self._queue.get()
            if item is None:
                if self._ends and not self._tasks:
                    return
            elif isinstance(item, OrchestratorError):
                raise item
            else:
                yield member, item

    def close(self) -> None:
        """Stop reading."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _follow(self, member: Member) -> None:
        last: OrchestratorError | None = None
        try:
            await self._read(member)
        except OrchestratorError as error:
            last = error
        if self._tasks.get(member.name) is asyncio.current_task():
            del self._tasks[member.name]
        await self._queue.put((member, last))

    async def _read(self, member: Member) -> None:
        """Read a node's stream until it ends, or the node is lost.

        Raises:
            OrchestratorError: the node refuses it.
        """
        loop = asyncio.get_running_loop()
        latest: _T | None = None
        well_at = loop.time()
        while True:
            try:
                async with aclosing(self._open(member, latest)) as stream:
                    async for item in stream:
                        latest, well_at = item, loop.time()
                        await self._queue.put((member, item))
                return
            except NodeLostError as error:
                if self._ends or await member.wait_gone(REOPEN_S):
                    return
                if loop.time() > well_at + PATIENCE_S:
                    member.condemn(str(error))
                    return


async def merge_sorted(
    streams: list[AsyncGenerator[_T, None]], key: Callable[[_T], float]
) -> AsyncGenerator[_T, None]:
    """Merge streams that are sorted, and that end, into one that is."""
    heads: list[tuple[float, int, _T]] = []
    for number, stream in enumerate(streams):
        if (item := await _next(stream)) is not None:
            heads.append((key(item), number, item))
    heapq.heapify(heads)
    while heads:
        _, number, item = heads[0]
        yield item
        following = await _next(streams[number])
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (key(following), number, following))


async def _next(stream: AsyncGenerator[_T, None]) -> _T | None:
    try:
        return await anext(stream, None)
    except NodeLostError:
        return None
