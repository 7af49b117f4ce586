"""An asyncio transport over one of the host's descriptors.

Behaves as asyncio's own socket transport: the same flow control, half close, `abort`, and errors
handed to `connection_lost`. It reads when it is told of readiness and writes at once what the
stream takes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from vnet.host.watches import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnet.host.switch import Switch
    from vnet.host.watches import Watches

READ_SIZE = 256 * 1024
"""As asyncio's own transports: one stream's default limit."""
HIGH_WATER = 64 * 1024
LOW_WATER = HIGH_WATER // 4


class FabricTransport(asyncio.Transport):
    """A connection's host side."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        switch: Switch,
        watches: Watches,
        descriptor: int,
        protocol: asyncio.BaseProtocol,
        on_closed: Callable[[FabricTransport], None] | None = None,
    ) -> None:
        super().__init__(
            {
                "sockname": switch.endpoint(descriptor, remote=False),
                "peername": switch.endpoint(descriptor, remote=True),
            }
        )
        self._loop = loop
        self._switch = switch
        self._watches = watches
        self._descriptor = descriptor
        self._protocol = protocol
        self._on_closed = on_closed
        self._outgoing = bytearray()
        self._high, self._low = HIGH_WATER, LOW_WATER
        self._closing = self._lost = False
        self._reading_paused = self._read_armed = False
        self._writing_paused = self._write_armed = False
        self._end_received = self._end_wanted = self._end_sent = False
        loop.call_soon(self._start)

    def _start(self) -> None:
        self._protocol.connection_made(self)
        self._arm_read()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that receives this connection's bytes."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Tell whether `close` or `abort` was called or the connection is gone."""
        return self._closing

    def is_reading(self) -> bool:
        """Tell whether the protocol is receiving."""
        return not self._reading_paused and not self._closing

    def pause_reading(self) -> None:
        """Stop receiving; the stream fills up and the peer is held back."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """Receive again."""
        if self._reading_paused:
            self._reading_paused = False
            self._arm_read()

    def _arm_read(self) -> None:
        if self._read_armed or self._reading_paused or self._closing or self._end_received:
            return
        self._read_armed = True
        self._watch(Event.READ, self._readable)

    def _watch(self, event: Event, callback: Callable[[], None]) -> None:
        try:
            self._watches.watch(self._descriptor, event, callback)
        except OSError as error:
            self._fail(error)

    def _readable(self) -> None:
        self._read_armed = False
        if self._closing or self._reading_paused:
            return
        try:
            data = self._switch.read(self._descriptor, READ_SIZE)
        except OSError as error:
            self._fail(error)
            return
        if data == b"":
            self._end_received = True
            self._received_end()
            return
        if data is not None:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(data)
        self._arm_read()

    def _received_end(self) -> None:
        assert isinstance(self._protocol, asyncio.Protocol)
        if not self._protocol.eof_received():
            self.close()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send bytes, now as far as the stream takes them, the rest later."""
        if self._end_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not data:
            return
        view = memoryview(data).cast("B")
        if not self._outgoing:
            try:
                view = view[self._push(view) :]
            except OSError as error:
                self._fail(error)
                return
            if not view:
                return
        self._outgoing += view
        self._arm_write()
        self._apply_high_water()

    def _push(self, data: memoryview) -> int:
        sent = 0
        while sent < len(data):
            taken = self._switch.write(self._descriptor, data[sent:])
            if taken is None:
                break
            sent += taken
        return sent

    def _arm_write(self) -> None:
        if not self._write_armed:
            self._write_armed = True
            self._watch(Event.WRITE, self._writable)

    def _writable(self) -> None:
        self._write_armed = False
        if self._lost:
            return
        try:
            with memoryview(self._outgoing) as view:
                sent = self._push(view)
        except OSError as error:
            self._fail(error)
            return
        del self._outgoing[:sent]
        self._apply_low_water()
        if self._outgoing:
            self._arm_write()
        elif self._closing:
            self._lose(None)
        elif self._end_wanted:
            self._send_end()

    def _apply_high_water(self) -> None:
        if len(self._outgoing) > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _apply_low_water(self) -> None:
        if self._writing_paused and len(self._outgoing) <= self._low:
            self._writing_paused = False
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many unsent bytes pause the protocol, and how few let it go on."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._apply_high_water()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return (low, high)."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return len(self._outgoing)

    def can_write_eof(self) -> bool:
        """Half close is supported."""
        return True

    def write_eof(self) -> None:
        """Send the end of the stream after what was written; go on receiving."""
        if self._closing or self._end_wanted:
            return
        self._end_wanted = True
        if not self._outgoing:
            self._send_end()

    def _send_end(self) -> None:
        if not self._end_sent:
            self._end_sent = True
            self._switch.shutdown_write(self._descriptor)

    def close(self) -> None:
        """Send what is left, then close."""
        if self._closing:
            return
        self._closing = True
        if not self._outgoing:
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Close now and drop what is left."""
        self._closing = True
        self._outgoing = bytearray()
        self._loop.call_soon(self._lose, None)

    def reset(self) -> None:
        """As `abort`, and have the peer see a reset instead of an end."""
        if not self._lost:
            self._switch.reset_on_close(self._descriptor)
        self.abort()

    def _fail(self, error: OSError) -> None:
        self._closing = True
        self._outgoing = bytearray()  # not cleared: the error's traceback still has views of it
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: OSError | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._watches.forget(self._descriptor)
        self._switch.close(self._descriptor)
        if self._on_closed is not None:
            self._on_closed(self)
        self._protocol.connection_lost(error)
