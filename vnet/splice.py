"""Bytes from one connection to another, with back pressure and half close. Looks at no byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Source(Protocol):
    """A connection that is read."""

    buffer: bytearray
    """Bytes received and not yet taken; the reader shortens it in place."""

    async def more(self) -> bool:
        """Wait until `buffer` has grown; False when it never will."""


class Sink(Protocol):
    """A connection that is written to."""

    def write(self, data: bytes) -> None:
        """Send, or queue."""

    async def drain(self) -> None:
        """Wait until most of what was queued has gone."""

    def write_eof(self) -> None:
        """Send no more after what is queued."""


async def relay(source: Source, sink: Sink, moved: Callable[[int], None]) -> None:
    """Move bytes until the source ends, and end the sink's direction then.

    Args:
        source: Where bytes come from.
        sink: Where they go.
        moved: Called after each write with its size, and with 0 at the end.
    """
    while True:
        size = len(source.buffer)
        if size:
            sink.write(bytes(source.buffer))
            source.buffer.clear()
            moved(size)
            await sink.drain()
        if not await source.more():
            sink.write_eof()
            moved(0)
            return
