"""The client's side of a portal connection: bytes, back-pressure, deadlines, careful closing.

Owns the transport. Knows no HTTP: `session` reads heads from `buffer`, `exchange` reads bodies.
A `Protocol` rather than a `StreamReader`, because a portal serves many small requests and each
layer between the socket and the session costs every one of them.

Deadlines are plain numbers that the server compares once a second; no timer is armed per request.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from vnet.edge.errors import ClientGoneError
from vnet.edge.limits import CLIENT_BUFFER_BYTES, LINGER_BYTES, WRITE_BUFFER_BYTES, PortalLimits

if TYPE_CHECKING:
    from collections.abc import Callable

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Phase(Enum):
    """What the connection is waiting for, which decides what a missed deadline means."""

    HEAD = "a request head"
    EXCHANGE = "the end of an exchange"
    TUNNEL = "either side of a WebSocket"
    LINGER = "the client's close after the last answer"


class ClientStream(asyncio.Protocol):
    """A connection from a client."""

    def __init__(
        self,
        connected: Callable[[ClientStream], None],
        disconnected: Callable[[ClientStream], None],
        clock: Callable[[], float],
        limits: PortalLimits,
    ) -> None:
        self._connected, self._disconnected = connected, disconnected
        self._clock, self._limits = clock, limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._read_paused = self._write_paused = False
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._discarded = 0
        self.buffer = bytearray()
        """Bytes received and not yet taken; the reader shortens it in place."""
        self.phase = Phase.HEAD
        self.eof = False
        """The client has closed its sending side."""
        self.lost = False
        """The connection is gone in both directions."""
        self.expired = False
        """The deadline of a head passed."""
        self.read_deadline = math.inf
        self.write_deadline = math.inf
        self.address = ""
        self.on_lost: Callable[[], None] | None = None
        """Called when the connection is lost, to wake who waits for a backend instead."""

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        """Buffer, and stop reading when nobody takes the bytes."""
        if self.phase is Phase.LINGER:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.abort()
            return
        if self.phase is Phase.HEAD and not self.buffer:
            self.read_deadline = self._clock() + self._limits.head_s
        self.buffer += data
        if len(self.buffer) >= CLIENT_BUFFER_BYTES and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """Keep the sending side open: an answer may still be due."""
        self.eof = True
        if self.phase is Phase.LINGER:
            return False
        if self.phase is Phase.EXCHANGE:
            self.read_deadline = self._clock() + self._limits.half_closed_s
        self._wake_reader()
        return True

    def pause_writing(self) -> None:
        """Note that the client reads slower than the backend writes."""
        self._write_paused = True
        self.write_deadline = self._clock() + self._limits.stalled_s

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._write_paused = False
        self.write_deadline = math.inf
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits."""
        self.lost = self.eof = True
        self._wake_reader()
        self.resume_writing()
        if self.on_lost is not None:
            self.on_lost()
        self._disconnected(self)

    # for the session

    async def more(self) -> bool:
        """Wait until `buffer` has grown; False when it never will.

        Take what you can from `buffer` first: a full buffer does not grow.

        Raises:
            ClientGoneError: The connection is lost.
        """
        if self.eof:
            if self.lost:
                raise ClientGoneError
            return False
        if self._read_paused and len(self.buffer) < CLIENT_BUFFER_BYTES:
            self._read_paused = False
            self._transport.resume_reading()
        self._readable = self._loop.create_future()
        try:
            await self._readable
        finally:
            self._readable = None
        if self.lost:
            raise ClientGoneError
        return True

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it; follow with `drain` when there is more to come."""
        if self.lost:
            raise ClientGoneError
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read most of what was written."""
        if self._write_paused:
            self._writable = self._loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None
        if self.lost:
            raise ClientGoneError

    def write_eof(self) -> None:
        """Close the sending side after what is queued."""
        if not self.lost and not self._transport.is_closing():
            self._transport.write_eof()

    def expect_head(self) -> None:
        """Enter the phase between requests, with the deadline that fits what has arrived."""
        self.phase = Phase.HEAD
        wait_s = self._limits.head_s if self.buffer else self._limits.idle_s
        self.read_deadline = self._clock() + wait_s

    def begin_exchange(self) -> None:
        """Enter the phase in which a backend answers, which may take as long as it likes."""
        self.phase = Phase.EXCHANGE
        self.read_deadline = self._clock() + self._limits.half_closed_s if self.eof else math.inf

    def expect_progress(self) -> None:
        """Note that body bytes moved, and that more must follow from whoever holds them up."""
        self.read_deadline = self._clock() + self._limits.stalled_s

    def begin_tunnel(self) -> None:
        """Enter the phase of raw bytes in both directions."""
        self.phase = Phase.TUNNEL
        self.read_deadline = math.inf

    def extend_tunnel(self) -> None:
        """Note a sign of life in a tunnel of which one direction has ended."""
        self.read_deadline = self._clock() + self._limits.half_closed_tunnel_s

    def linger(self) -> None:
        """End the connection so that the client surely gets the last answer (RFC 9112 9.6)."""
        if self.lost or self._transport.is_closing():
            return
        self.buffer.clear()
        self.phase = Phase.LINGER
        now = self._clock()
        self.read_deadline = now + self._limits.linger_s
        self.write_deadline = now + self._limits.stalled_s
        if self.eof:
            self._transport.close()
            return
        self.write_eof()
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection with RST, so that a cut answer cannot pass for a whole one."""
        if self.lost:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self._transport.abort()

    def check_deadline(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if now >= self.write_deadline:
            self.abort()
        elif now >= self.read_deadline:
            self._end_waiting()

    def _end_waiting(self) -> None:
        match self.phase:
            case Phase.HEAD:
                self.expired = True
                self._wake_reader()
            case Phase.LINGER:
                if not self._transport.get_write_buffer_size():
                    self._transport.close()  # the kernel still delivers what it has queued
            case Phase.EXCHANGE | Phase.TUNNEL:
                self.abort()
            case _:
                assert_never(self.phase)

    def _wake_reader(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)
