"""The host as one more machine on the pods' networks: connect and listen, with asyncio's streams.

Used by portals, health checks and anything else on the host that talks to pods. Names are not
resolved here: callers have addresses.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING
from weakref import WeakSet

from vnet.host.datagrams import FabricDatagramTransport
from vnet.host.transport import FabricTransport
from vnet.host.watches import Event

if TYPE_CHECKING:
    from vnet.host.switch import Switch
    from vnet.host.watches import Watches

DEFAULT_BACKLOG = 128
STREAM_LIMIT = 64 * 1024
"""asyncio's default for `StreamReader`."""
CONNECT_TIMEOUT_S = 127.0
"""What Linux waits for an answer to a SYN; the kernel leaves it to whoever waits to look at the
time."""

ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class HostEndpoint:
    """Opens connections into the fabric, and listeners that pods can reach."""

    def __init__(self, switch: Switch, watches: Watches, loop: asyncio.AbstractEventLoop) -> None:
        self._switch = switch
        self._watches = watches
        self._loop = loop
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._transports: dict[FabricTransport, None] = {}
        self._servers: dict[FabricServer, None] = {}
        self._datagrams: dict[FabricDatagramTransport, None] = {}

    async def open_connection(
        self, address: str, port: int, *, timeout_s: float | None = None, limit: int = STREAM_LIMIT
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a pod, with the shapes and exceptions of `asyncio.open_connection`.

        Raises:
            OSError: as from a real socket, `ConnectionRefusedError` and `TimeoutError` among them.
        """
        descriptor = self._switch.connect(int(IPv4Address(address)), port)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S if timeout_s is None else timeout_s):
                await self._connected(descriptor)
        except BaseException:
            self._watches.forget(descriptor)
            self._switch.close(descriptor)
            raise
        return self.adopt(descriptor, limit=limit)

    def adopt(
        self, descriptor: int, *, limit: int = STREAM_LIMIT
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Take over a connected descriptor, which is closed with the writer."""
        reader = asyncio.StreamReader(limit=limit, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport = self._adopt(descriptor, protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    def _adopt(self, descriptor: int, protocol: asyncio.Protocol) -> FabricTransport:
        transport = FabricTransport(
            self._loop, self._switch, self._watches, descriptor, protocol, self._transports.pop
        )
        self._transports[transport] = None
        return transport

    async def _connected(self, descriptor: int) -> None:
        """Wait until the connect is decided.

        A token may be a stale one of an earlier descriptor of this number, so the switch is asked
        after each.
        """
        while not self._switch.watch(descriptor, writing=True):
            await self._told(descriptor, Event.WRITE)
        error = self._switch.error(descriptor)
        if error:
            raise OSError(error, os.strerror(error))

    async def wait_for_listener(self, address: str, port: int) -> None:
        """Wait until a program listens on a port of a pod.

        Raises:
            OSError: nobody has the address (EHOSTUNREACH), or the network is shutting down.
        """
        descriptor = self._switch.await_port(int(IPv4Address(address)), port)
        try:
            while not self._switch.watch(descriptor, writing=False):
                await self._told(descriptor, Event.READ)
        finally:
            self._watches.forget(descriptor)
            self._switch.close(descriptor)

    async def _told(self, descriptor: int, event: Event) -> None:
        """Wait for a token."""
        ready = self._loop.create_future()
        self._waiting[ready] = None

        def done() -> None:
            if not ready.done():
                ready.set_result(None)

        try:
            self._watches.watch(descriptor, event, done)
            await ready
        finally:
            del self._waiting[ready]

    async def start_server(
        self,
        client_connected: ClientConnected,
        address: str,
        port: int,
        *,
        limit: int = STREAM_LIMIT,
    ) -> FabricServer:
        """Listen where pods can reach it, as `asyncio.start_server` does on a real socket.

        Raises:
            OSError: as `listen`.
        """
        return self.listen(client_connected, address, port, limit=limit)

    def listen(
        self,
        client_connected: ClientConnected,
        address: str,
        port: int,
        *,
        limit: int = STREAM_LIMIT,
    ) -> FabricServer:
        """As `start_server`, at once.

        Raises:
            OSError: the address is not the host's (EADDRNOTAVAIL) or the port is taken
                (EADDRINUSE).
        """

        def serve(accepted: int) -> FabricTransport:
            reader = asyncio.StreamReader(limit=limit, loop=self._loop)
            protocol = asyncio.StreamReaderProtocol(reader, client_connected, loop=self._loop)
            return self._adopt(accepted, protocol)

        descriptor = self._switch.listen(int(IPv4Address(address)), port, DEFAULT_BACKLOG)
        server = FabricServer(
            self._switch, self._watches, self._loop, descriptor, serve, self._servers.pop
        )
        self._servers[server] = None
        return server

    def open_datagrams(
        self, protocol: asyncio.DatagramProtocol, address: str, port: int
    ) -> FabricDatagramTransport:
        """Bind a datagram socket where pods can reach it, for a protocol as asyncio has them.

        Args:
            protocol: receives the datagrams, from the loop's next turn on.
            address: one of the host's, on a network of the pods.
            port: 0 takes an ephemeral one; `get_extra_info("sockname")` tells which.

        Raises:
            OSError: the address is not the host's (EADDRNOTAVAIL) or the port is taken
                (EADDRINUSE).
        """
        descriptor = self._switch.bind_datagrams(int(IPv4Address(address)), port)
        transport = FabricDatagramTransport(
            self._loop, self._switch, self._watches, descriptor, protocol, self._datagrams.pop
        )
        self._datagrams[transport] = None
        return transport

    def close(self) -> None:
        """End everything at once: connects fail, listeners close, connections are aborted."""
        for waiting in list(self._waiting):
            if not waiting.done():
                waiting.set_exception(
                    ConnectionAbortedError(errno.ECONNABORTED, "the network is shutting down")
                )
        for server in list(self._servers):
            server.close()
        for transport in list(self._transports):
            transport.abort()
        for datagrams in list(self._datagrams):
            datagrams.close()


class FabricServer:
    """A listener on the host's side; every connection gets a task of `client_connected`."""

    def __init__(
        self,
        switch: Switch,
        watches: Watches,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        serve: Callable[[int], FabricTransport],
        on_closed: Callable[[FabricServer], None],
    ) -> None:
        self._switch = switch
        self._watches = watches
        self._loop = loop
        self._descriptor: int | None = descriptor
        self._serve = serve
        self._on_closed = on_closed
        self._clients: WeakSet[FabricTransport] = WeakSet()
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
            self._on_closed(self)

    def abort_clients(self) -> None:
        """Close every open connection now."""
        for transport in list(self._clients):
            transport.abort()

    def _arm(self) -> None:
        if self._descriptor is not None:
            self._watches.watch(self._descriptor, Event.READ, self._acceptable)

    def _acceptable(self) -> None:
        for _ in range(DEFAULT_BACKLOG):
            if self._descriptor is None:
                return
            try:
                descriptor = self._switch.accept(self._descriptor)
                if descriptor is None:
                    break
                self._clients.add(self._serve(descriptor))
            except OSError as error:  # one connection was lost; asyncio's own servers go on, too
                self._loop.call_exception_handler(
                    {"message": "a connection could not be accepted", "exception": error}
                )
        self._arm()
