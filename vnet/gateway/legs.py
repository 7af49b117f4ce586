"""A spliced connection: one leg in the fabric, one in the world outside.

Owns moving bytes between the two until both directions have ended or one side breaks off, which the
other then sees as a reset, too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from vnet.egress import Ending
from vnet.host.transport import FabricTransport
from vnet.splice import relay

READ_BYTES = 256 * 1024
HALF_CLOSED_S = 120.0
"""Silence after one direction has ended; Linux's connection tracking waits as long in FIN_WAIT. A
pod that is gone for good cannot be told from one that still listens."""
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class LimitReachedError(Exception):
    """The service may transfer no more."""


class Leg:
    """One side of a spliced connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.buffer = bytearray()

    async def more(self) -> bool:
        """Wait until `buffer` has grown; False when it never will.

        Raises:
            OSError: The connection was reset.
        """
        data = await self._reader.read(READ_BYTES)
        self.buffer += data
        return bool(data)

    def write(self, data: bytes) -> None:
        """Send, or queue."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until most of what was queued has gone.

        Raises:
            OSError: The connection was reset.
        """
        await self._writer.drain()

    def write_eof(self) -> None:
        """Send no more after what is queued."""
        self._writer.write_eof()

    async def finish(self) -> None:
        """Close after what is queued.

        Raises:
            OSError: The connection was reset.
        """
        self._writer.close()
        await self._writer.wait_closed()

    def reset(self) -> None:
        """Close at once, so that the peer sees that something is missing."""
        transport = self._writer.transport
        if isinstance(transport, FabricTransport):
            transport.reset()
            return
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        transport.abort()


class Splice:
    """The two legs of a connection, and what has moved between them."""

    def __init__(
        self,
        inside: Leg,
        outside: Leg,
        count: Callable[[int], bool],
        half_closed_s: float = HALF_CLOSED_S,
    ) -> None:
        """Prepare a splice.

        Args:
            inside: The pod's leg.
            outside: The other.
            count: Told of bytes that moved; False ends the connection.
            half_closed_s: How long silence may last after one direction has ended.
        """
        self._inside, self._outside, self._count = inside, outside, count
        self._half_closed_s = half_closed_s
        self.sent_bytes = 0
        """From the pod."""
        self.received_bytes = 0
        """To the pod."""

    async def run(self) -> Ending:
        """Move bytes until the connection has ended, and say how it did.

        Cancelling resets both legs.
        """
        ending = Ending.RESET
        try:
            async with asyncio.timeout(None) as deadline:
                await self._both_ways(deadline)
            ending = Ending.CLOSED
        except* LimitReachedError:
            ending = Ending.LIMIT
        except* OSError:
            ending = Ending.IDLE if deadline.expired() else Ending.RESET
        finally:
            if ending is not Ending.CLOSED:
                self._inside.reset()
                self._outside.reset()
        return ending

    async def _both_ways(self, deadline: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        half_closed = False

        def moved(size: int) -> None:
            nonlocal half_closed
            half_closed = half_closed or not size
            if half_closed and not deadline.expired():
                deadline.reschedule(loop.time() + self._half_closed_s)
            if size and not self._count(size):
                raise LimitReachedError

        def sent(size: int) -> None:
            self.sent_bytes += size
            moved(size)

        def received(size: int) -> None:
            self.received_bytes += size
            moved(size)

        async with asyncio.TaskGroup() as directions:
            directions.create_task(relay(self._inside, self._outside, sent))
            directions.create_task(relay(self._outside, self._inside, received))
        await self._outside.finish()
        await self._inside.finish()
