"""A client connection's requests, one after the other.

Owns the loop head → route → exchange, the portal's own error answers, and which portal a connection
counts for. Bytes are `client`'s, bodies are `exchange`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnet.edge.errors import BackendFailedError, ClientGoneError, MessageRefusedError
from vnet.edge.exchange import Exchange
from vnet.edge.framing import BodyKind
from vnet.edge.heads import parse_request
from vnet.edge.pages import error_page
from vnet.edge.syntax import HeadScanner

if TYPE_CHECKING:
    from vnet.edge.client import ClientStream
    from vnet.edge.heads import Request
    from vnet.edge.limits import PortalLimits
    from vnet.edge.table import Portal, PortalTable
    from vnet.edge.upstream import UpstreamPool
    from vnet.tasks import TaskOwner


@dataclass(slots=True)
class ServerCounters:
    """What happened before a portal was known."""

    accepted: int = 0
    """Client connections accepted."""
    refused: int = 0
    """Heads that broke a rule, and connections over the cap."""
    unknown_hosts: int = 0
    timeouts: int = 0
    """Heads that did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a server share."""

    table: PortalTable
    pool: UpstreamPool
    tasks: TaskOwner
    limits: PortalLimits
    counters: ServerCounters


class Session:
    """Serves one client connection."""

    __slots__ = ("_client", "_pinned", "_scanner", "_shared", "portal")

    def __init__(self, client: ClientStream, shared: Surroundings, pinned: Portal | None) -> None:
        self._client, self._shared, self._pinned = client, shared, pinned
        self._scanner = HeadScanner()
        self.portal: Portal | None = None
        """The portal that the latest request was for."""

    async def run(self) -> None:
        """Serve requests until the connection should end, and end it."""
        try:
            while await self._serve_next():
                await self._client.drain()
            self._client.linger()
        except ClientGoneError:
            pass
        except BaseException:
            self._client.abort()  # a polite close could pass for the end of the answer
            raise
        finally:
            self._leave()

    async def _serve_next(self) -> bool:
        try:
            head = await self._next_head()
            if head is None:
                return False
            request = parse_request(head)
        except MessageRefusedError as error:
            self._shared.counters.refused += 1
            self._tell(error.status, error.reason)
            return False
        try:
            portal = self._shared.table.route(request.host, self._pinned)
        except MessageRefusedError as error:
            self._shared.counters.unknown_hosts += 1
            keep_alive = request.keep_alive and request.framing.kind is BodyKind.NONE
            return self._tell(error.status, error.reason, request, keep_alive)
        if portal is not self.portal and not self._enter(portal):
            limit = self._shared.limits.portal_connections
            reason = f"This portal has {limit} connections already. Close some, or try again."
            return self._tell(503, reason, request)
        return await self._exchange(request, portal)

    async def _next_head(self) -> bytes | None:
        client = self._client
        client.expect_head()
        while (head := self._scanner.take(client.buffer)) is None:
            started = bool(client.buffer)
            grown = await client.more()
            if client.expired:
                self._shared.counters.timeouts += 1
                if not client.buffer:
                    return None
                raise MessageRefusedError("The request's head took too long to arrive.", 408)
            if not grown:
                if started:
                    raise MessageRefusedError("the connection ended inside the request's head")
                return None
        return head

    async def _exchange(self, request: Request, portal: Portal) -> bool:
        counters = portal.counters
        counters.requests += 1
        exchange = Exchange(self._client, request, portal, self._shared.pool, self._shared.tasks)
        self._client.begin_exchange()
        clock = asyncio.get_running_loop().time
        began_at = clock()
        try:
            return await exchange.run()
        except MessageRefusedError as error:
            counters.refused += 1
            status, reason, keep_alive = error.status, error.reason, False
        except BackendFailedError as error:
            counters.failures += 1
            status, reason = error.status, str(error)
            keep_alive = request.keep_alive and exchange.body_taken
        finally:
            counters.latencies.add(clock() - began_at)
        if exchange.answered:
            self._client.abort()
            return False
        return self._tell(status, reason, request, keep_alive)

    def _tell(
        self, status: int, reason: str, request: Request | None = None, keep_alive: bool = False
    ) -> bool:
        """Answer for the portal itself; return whether the connection stays usable."""
        accepts = (
            [value for name, _, value in request.fields if name == b"accept"] if request else []
        )
        keep_alive = keep_alive and request is not None and request.minor == 1
        page = error_page(
            status,
            reason,
            as_html=any(b"text/html" in value for value in accepts),
            with_body=request is None or request.method != b"HEAD",
            keep_alive=keep_alive,
        )
        self._client.write(page)
        return keep_alive

    def _enter(self, portal: Portal) -> bool:
        """Count the connection for `portal`, unless that has its fill."""
        if portal.counters.connections >= self._shared.limits.portal_connections:
            portal.counters.refused += 1
            return False
        self._leave()
        self.portal = portal
        portal.counters.connections += 1
        return True

    def _leave(self) -> None:
        if self.portal is not None:
            self.portal.counters.connections -= 1
            self.portal = None
