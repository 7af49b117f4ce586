"""An asyncio datagram transport over one of the host's descriptors.

Behaves as asyncio's own over a socket that is bound and has no peer. Sending never waits: a
datagram that finds no room is dropped, as UDP allows.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from vnet.host.watches import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnet.host.switch import Switch
    from vnet.host.watches import Watches

BATCH = 64
"""Datagrams that are received in one turn of the loop, so that a flood leaves others theirs."""

Address = tuple[str, int]


class FabricDatagramTransport(asyncio.DatagramTransport):
    """A bound datagram socket's host side."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        switch: Switch,
        watches: Watches,
        descriptor: int,
        protocol: asyncio.DatagramProtocol,
        on_closed: Callable[[FabricDatagramTransport], None],
    ) -> None:
        super().__init__({"sockname": switch.endpoint(descriptor, remote=False)})
        self._loop = loop
        self._switch = switch
        self._watches = watches
        self._descriptor = descriptor
        self._protocol = protocol
        self._on_closed = on_closed
        self._closing = False
        loop.call_soon(self._start)

    def _start(self) -> None:
        self._protocol.connection_made(self)
        self._arm()

    def _arm(self) -> None:
        if self._closing:
            return
        try:
            self._watches.watch(self._descriptor, Event.READ, self._readable)
        except OSError as error:
            self._protocol.error_received(error)

    def _readable(self) -> None:
        for _ in range(BATCH):
            if self._closing:
                return
            try:
                received = self._switch.receive_from(self._descriptor)
            except OSError as error:
                self._protocol.error_received(error)
                break
            if received is None:
                break
            self._protocol.datagram_received(*received)
        self._arm()

    def sendto(
        self, data: bytes | bytearray | memoryview[Any], addr: Address | None = None
    ) -> None:
        """Send one datagram to an address and port; what cannot be sent is told the protocol."""
        if addr is None:
            raise ValueError("this endpoint has no peer; name the address to send to")
        if self._closing:
            return
        try:
            self._switch.send_to(self._descriptor, bytes(data), int(IPv4Address(addr[0])), addr[1])
        except OSError as error:
            self._protocol.error_received(error)

    def is_closing(self) -> bool:
        """Tell whether `close` or `abort` was called."""
        return self._closing

    def close(self) -> None:
        """Receive no more; nothing that was sent is held back here."""
        if self._closing:
            return
        self._closing = True
        self._watches.forget(self._descriptor)
        self._switch.close(self._descriptor)
        self._on_closed(self)
        self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """As `close`."""
        self.close()
