"""A wire between two processes that a test can hold, break and mend: a proxy of a unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PIECE = 64 << 10


class Wire:
    """What lies between a client and a server."""

    def __init__(self) -> None:
        self._passing = asyncio.Event()
        self._passing.set()
        self._mended = True
        self._connections: dict[asyncio.Task[None], None] = {}

    def hold(self) -> None:
        """Let nothing through any more, and tell nobody."""
        self._passing.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._passing.set()

    def cut(self) -> None:
        """Break every connection, and take no new one."""
        self._mended = False
        for task in self._connections:
            task.cancel()

    def mend(self) -> None:
        """Take connections again."""
        self._mended = True

    async def carry(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = None
        try:
            if self._mended:
                await self._both_ways(target, reader, writer)
        except (asyncio.CancelledError, OSError):
            pass  # cut, or nobody is there
        finally:
            del self._connections[task]
            writer.transport.abort()

    async def _both_ways(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(target)
        try:
            async with asyncio.TaskGroup() as both:
                there = both.create_task(self._pass_on(reader, far_writer))
                back = both.create_task(self._pass_on(far_reader, writer))
                await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
        finally:
            far_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def proxy(target: str, path: str) -> AsyncIterator[Wire]:
    """Listen at `path` for what is meant for `target`."""
    wire = Wire()
    server = await asyncio.start_unix_server(
        lambda reader, writer: wire.carry(target, reader, writer), path
    )
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
