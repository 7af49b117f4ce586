"""The host as one more machine on the pods' networks: connect and listen, with asyncio's streams.

Used by portals, health checks and anything else on the host that talks to pods. Names are not resolved here:
callers have addresses.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.host.transport import FabricTransport
from vnet.host.watches import Event

if TYPE_CHECKING:
    from vnet.host.switch import Switch
    from vnet.host.watches import Watches

DEFAULT_BACKLOG = 128
STREAM_LIMIT = 64 * 1024
"""asyncio's default for `StreamReader`."""

ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class HostEndpoint:
    """Opens connections into the fabric, and listeners that pods can reach."""

    def __init__(self, switch: Switch, watches: Watches, loop: asyncio.AbstractEventLoop) -> None:
        self._switch = switch
        self._watches = watches
        self._loop = loop

    async def open_connection(
        self, address: str, port: int, *, timeout_s: float | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a pod, with the shapes and exceptions of `asyncio.open_connection`.

        Raises:
            OSError: as from a real socket, `ConnectionRefusedError` and `TimeoutError` among them.
        """
        descriptor = self._switch.connect(int(IPv4Address(address)), port)
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected(descriptor)
        except BaseException:
            self._watches.forget(descriptor)
            self._switch.close(descriptor)
            raise
        reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport = FabricTransport(self._loop, self._switch, self._watches, descriptor, protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _connected(self, descriptor: int) -> None:
        ready = self._loop.create_future()

        def done() -> None:
            if not ready.done():
                ready.set_result(None)

        self._watches.watch(descriptor, Event.WRITE, done)
        await ready
        error = self._switch.error(descriptor)
        if error:
            raise OSError(error, os.strerror(error))

    async def start_server(
        self, client_connected: ClientConnected, address: str, port: int
    ) -> FabricServer:
        """Listen where pods can reach it, as `asyncio.start_server` does on a real socket.

        Raises:
            OSError: the address is not the host's (EADDRNOTAVAIL) or the port is taken (EADDRINUSE).
        """
        descriptor = self._switch.listen(int(IPv4Address(address)), port, DEFAULT_BACKLOG)
        return FabricServer(self._switch, self._watches, self._loop, descriptor, client_connected)


class FabricServer:
    """A listener on the host's side; every connection gets a task of `client_connected`."""

    def __init__(
        self,
        switch: Switch,
        watches: Watches,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        client_connected: ClientConnected,
    ) -> None:
        self._switch = switch
        self._watches = watches
        self._loop = loop
        self._descriptor: int | None = descriptor
        self._client_connected = client_connected
        self._transports: dict[FabricTransport, None] = {}
        self.address = switch.endpoint(descriptor, remote=False)
        self._arm()

    async def __aenter__(self) -> FabricServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; open connections go on."""
        if self._descriptor is not None:
            self._watches.forget(self._descriptor)
            self._switch.close(self._descriptor)
            self._descriptor = None

    def abort_clients(self) -> None:
        """Close every open connection now."""
        for transport in list(self._transports):
            transport.abort()

    def _arm(self) -> None:
        if self._descriptor is not None:
            self._watches.watch(self._descriptor, Event.READ, self._acceptable)

    def _acceptable(self) -> None:
        while self._descriptor is not None:
            descriptor = self._switch.accept(self._descriptor)
            if descriptor is None:
                break
            self._serve(descriptor)
        self._arm()

    def _serve(self, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, self._client_connected, loop=self._loop)
        transport = FabricTransport(
            self._loop, self._switch, self._watches, descriptor, protocol, self._forget
        )
        self._transports[transport] = None

    def _forget(self, transport: FabricTransport) -> None:
        self._transports.pop(transport, None)
