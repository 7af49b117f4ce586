"""The portal server: listeners, connections, deadlines, statistics.

Owns the lifetime of everything asynchronous in `vnet.edge`. Listens on loopback only by default,
because a portal's name is a secret that other machines need not see on the wire.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from vnet.edge.client import ClientStream
from vnet.edge.errors import PortInUseError, PortNotAllowedError
from vnet.edge.limits import PortalLimits
from vnet.edge.pages import error_page
from vnet.edge.session import ServerCounters, Session, Surroundings
from vnet.edge.upstream import Dial, UpstreamPool
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnet.edge.table import Portal, PortalCounters, PortalTable

_BACKLOG = 256
"""Connections the kernel holds until they are accepted: bursts of a load test's start."""

_FULL = error_page(
    503,
    "The portal server has all the connections it takes. Close some, or try again.",
    as_html=False,
    with_body=True,
    keep_alive=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalServerStatistics:
    """A moment's view of a portal server."""

    connections: int
    """Client connections open now."""
    idle_upstreams: int
    """Connections to replicas that wait for their next request."""
    server: ServerCounters
    portals: dict[str, PortalCounters]
    """Counters by host name."""


class PortalServer:
    """Serves the portals of a table over HTTP."""

    def __init__(
        self,
        table: PortalTable,
        dial: Dial,
        *,
        limits: PortalLimits | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Prepare a server; nothing listens before `start`.

        Args:
            table: Its portals, which may change at any time.
            dial: Opens connections to replicas.
            limits: Timeouts and caps.
            clock: Seconds that only grow; the event loop's by default.
        """
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._limits = limits or PortalLimits()
        self._tasks = TaskOwner()
        self._pool = UpstreamPool(dial, self._clock, self._limits)
        self._counters = ServerCounters()
        self._shared = Surroundings(table, self._pool, self._tasks, self._limits, self._counters)
        self._table = table
        self._host = "127.0.0.1"
        self._listener: asyncio.Server | None = None
        self._pinned: dict[Portal, asyncio.Server] = {}
        self._sessions: dict[ClientStream, Session | None] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._all_closed: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port on which portals are served by host name."""
        assert self._listener is not None, "the portal server is not started"
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def url(self, portal: Portal) -> str:
        """Return the address to give to a person."""
        if portal in self._pinned:
            return f"http://localhost:{portal.pinned}/"
        return f"http://{portal.hostname}:{self.port}/"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen for all portals, and for each pinned one in the table.

        Args:
            host: A loopback address.
            port: 0 takes a free one; see `port`.

        Raises:
            PortInUseError: Another program has a port.
            PortNotAllowedError: The system refuses a port or the address.
        """
        self._host = host
        self._listener = await self._listen(port, None)
        try:
            for portal in self._table:
                if portal.pinned is not None:
                    await self.pin(portal)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening and end every connection and task."""
        listeners = [*self._pinned.values()]
        if self._listener is not None:
            listeners.append(self._listener)
        for listener in listeners:
            listener.close()
        self._pinned.clear()
        self._listener = None
        await self._tasks.cancel_all()
        if self._sessions:
            self._all_closed = asyncio.Event()
            for client in self._sessions:
                client.abort()
            await self._all_closed.wait()
        self._pool.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for listener in listeners:
            await listener.wait_closed()

    async def pin(self, portal: Portal) -> None:
        """Listen on the pinned port of `portal`, for that portal alone.

        Raises:
            PortInUseError: Another program has the port.
            PortNotAllowedError: The system refuses the port.
        """
        assert portal.pinned is not None, "only a portal with a pinned port has one to listen on"
        self._pinned[portal] = await self._listen(portal.pinned, portal)

    def unpin(self, portal: Portal) -> None:
        """Stop listening on the pinned port of `portal`, if the server does."""
        listener = self._pinned.pop(portal, None)
        if listener is not None:
            listener.close()

    def statistics(self) -> PortalServerStatistics:
        """Return the counters as they are now."""
        return PortalServerStatistics(
            connections=len(self._sessions),
            idle_upstreams=len(self._pool),
            server=replace(self._counters),
            portals={portal.hostname: replace(portal.counters) for portal in self._table},
        )

    async def _listen(self, port: int, pinned: Portal | None) -> asyncio.Server:
        connected = partial(self._connected, pinned=pinned)
        try:
            return await asyncio.get_running_loop().create_server(
                lambda: ClientStream(connected, self._disconnected, self._clock, self._limits),
                self._host,
                port,
                backlog=_BACKLOG,
            )
        except OverflowError as error:
            raise PortNotAllowedError(self._host, port, "no such port") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(self._host, port) from error
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise PortNotAllowedError(self._host, port, reason) from error

    def _connected(self, client: ClientStream, pinned: Portal | None) -> None:
        self._counters.accepted += 1
        full = len(self._sessions) >= self._limits.connections
        if full:
            self._counters.refused += 1
            self._sessions[client] = None
            client.write(_FULL)
            client.linger()
        else:
            session = Session(client, self._shared, pinned)
            self._sessions[client] = session
            self._tasks.spawn(session.run(), f"portal session {client.address}")
        self._arm()

    def _disconnected(self, client: ClientStream) -> None:
        del self._sessions[client]
        if self._all_closed is not None and not self._sessions:
            self._all_closed.set()

    def _arm(self) -> None:
        """See to it that deadlines are checked while there are any."""
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._limits.sweep_s, self._check_deadlines)

    def _check_deadlines(self) -> None:
        self._sweep = None
        now = self._clock()
        for client, session in list(self._sessions.items()):
            if session is not None and session.portal is not None and session.portal.closed:
                client.abort()  # a closed portal is revoked for those inside, too
            else:
                client.check_deadline(now)
        self._pool.sweep(now)
        if self._sessions or len(self._pool):
            self._arm()
