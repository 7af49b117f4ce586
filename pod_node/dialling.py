"""Connections from outside to pods: carried over calls, with back pressure and half close.

Owns what a connection is to those who carry it, whatever it goes over, and the carrying itself.
Whom to connect to is the caller's business.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Protocol

from pod_node.errors import PodNodeError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from pod_node.runtime import Endpoint
    from vnet.tasks import TaskOwner

DIAL_TIMEOUT_S = 10.0
"""How long a pod may take to answer when nobody says otherwise."""
CHUNK_BYTES = 64 * 1024
"""Bytes of a connection that are carried in one message."""


class DialError(PodNodeError):
    """A pod could not be connected to."""

    def __init__(self, address: str, port: int, reason: str) -> None:
        super().__init__(address, port, reason)
        self.address, self.port, self.reason = address, port, reason

    def __str__(self) -> str:
        return f"connecting to {self.address}:{self.port}: {self.reason}"


class BrokenConnectionError(PodNodeError):
    """A connection to a pod was broken off, by the pod or on the way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection was broken off: {self.reason}"


class Connection(Protocol):
    """One connection, on the side of whoever carries it."""

    async def receive(self) -> bytes:
        """Wait for bytes; none once the peer sends no more.

        Raises:
            OSError: the connection is broken.
        """

    async def send(self, data: bytes) -> None:
        """Send, waiting as long as the peer does not take it.

        Raises:
            OSError: the connection is broken.
        """

    async def end(self) -> None:
        """Send no more; receiving goes on."""

    def abort(self) -> None:
        """Break it off, unless both sides have ended; repeating is idle."""


class PodConnection:
    """A connection of the node's own endpoint."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._received_all = self._sent_all = False

    async def receive(self) -> bytes:
        """Wait for bytes."""
        data = await self._reader.read(CHUNK_BYTES)
        self._received_all = not data
        return data

    async def send(self, data: bytes) -> None:
        """Send."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """Send no more."""
        self._writer.write_eof()
        self._sent_all = True

    def abort(self) -> None:
        """Break it off; what is ended already is only closed."""
        if self._received_all and self._sent_all:
            self._writer.close()
        else:
            self._writer.transport.abort()


async def dial(endpoint: Endpoint, address: str, port: int, timeout_s: float) -> PodConnection:
    """Connect to a pod.

    Raises:
        DialError: it does not take the connection.
    """
    try:
        reader, writer = await endpoint.open_connection(address, port, timeout_s=timeout_s)
    except TimeoutError as error:
        raise DialError(address, port, f"no answer within {timeout_s:g} s") from error
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DialError(address, port, reason) from error
    return PodConnection(reader, writer)


async def carry(
    connection: Connection, outgoing: AsyncIterable[bytes], tasks: TaskOwner
) -> AsyncGenerator[bytes, None]:
    """Send what comes in, yield what is received, and an empty text once where that ends.

    Args:
        connection: Closed at the end.
        outgoing: What to send; its end ends the sending.
        tasks: Owns the task that sends.

    Raises:
        BrokenConnectionError: the connection is broken.
    """
    sending = tasks.spawn(_send(connection, outgoing), "sending to a pod")
    try:
        while data := await connection.receive():
            yield data
        yield b""
        await asyncio.wait([sending])
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise BrokenConnectionError(reason) from error
    finally:
        sending.cancel()
        connection.abort()


async def _send(connection: Connection, outgoing: AsyncIterable[bytes]) -> None:
    try:
        async for data in outgoing:
            await connection.send(data)
        await connection.end()
    except OSError:
        return  # whoever receives hears of it
