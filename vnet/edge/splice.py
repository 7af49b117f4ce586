"""A tunnel of raw bytes between a client and a replica, after a switch to WebSocket.

Owns both directions, half close included. Looks at no byte.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vnet.edge.errors import ClientGoneError

if TYPE_CHECKING:
    from vnet.edge.client import ClientStream
    from vnet.edge.table import PortalCounters
    from vnet.edge.tasks import TaskOwner
    from vnet.edge.upstream import Upstream


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
    buffer = upstream.buffer
    while True:
        if buffer:
            counters.sent_bytes += len(buffer)
            client.write(bytes(buffer))
            buffer.clear()
            if client.eof:
                client.extend_tunnel()
            await client.drain()
        if not await upstream.more():
            client.write_eof()
            client.extend_tunnel()
            return


async def _relay_up(client: ClientStream, upstream: Upstream, counters: PortalCounters) -> None:
    buffer = client.buffer
    try:
        while True:
            if buffer:
                counters.received_bytes += len(buffer)
                upstream.writer.write(bytes(buffer))
                buffer.clear()
                if upstream.eof:
                    client.extend_tunnel()
                await upstream.writer.drain()
            if not await client.more():
                upstream.writer.write_eof()
                client.extend_tunnel()
                return
    except (ClientGoneError, OSError):
        upstream.abort()  # wakes the other direction
