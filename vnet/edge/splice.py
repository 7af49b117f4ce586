"""A tunnel of raw bytes between a client and a replica, after a switch to WebSocket.

Owns both directions and the deadline of a tunnel of which one has ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vnet.edge.errors import ClientGoneError
from vnet.splice import relay

if TYPE_CHECKING:
    from vnet.edge.client import ClientStream
    from vnet.edge.table import PortalCounters
    from vnet.edge.upstream import Upstream
    from vnet.tasks import TaskOwner


async def splice(
    client: ClientStream, upstream: Upstream, counters: PortalCounters, tasks: TaskOwner
) -> None:
    """Relay until both directions have ended.

    Raises:
        UpstreamBrokenError: The replica's connection was reset.
        ClientGoneError: The client's connection is lost.
    """
    client.begin_tunnel()
    upward = tasks.spawn(_relay_up(client, upstream, counters), f"tunnel from {client.address}")
    try:
        await _relay_down(client, upstream, counters)
        await asyncio.wait([upward])
    finally:
        upward.cancel()
        await asyncio.wait([upward])


async def _relay_down(client: ClientStream, upstream: Upstream, counters: PortalCounters) -> None:
    def moved(size: int) -> None:
        counters.sent_bytes += size
        if client.eof or not size:
            client.extend_tunnel()

    await relay(upstream, client, moved)


async def _relay_up(client: ClientStream, upstream: Upstream, counters: PortalCounters) -> None:
    def moved(size: int) -> None:
        counters.received_bytes += size
        if upstream.eof or not size:
            client.extend_tunnel()

    try:
        await relay(client, upstream, moved)
    except (ClientGoneError, OSError):
        upstream.abort()  # wakes the other direction
