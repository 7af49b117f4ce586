"""Serves DNS to pods on the gateway address of a network.

Owns the listeners and the framing over TCP (RFC 1035 4.2.2, RFC 7766); every answer is the
answerer's. Nothing that a pod sends ends the server.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from vnet.names.answers import Transport

if TYPE_CHECKING:
    from vnet.host import FabricServer, HostEndpoint
    from vnet.names.answers import Answerer

DNS_PORT = 53
IDLE_S = 10.0
"""RFC 7766 6.2.3: a few seconds; pods are near."""


class DatagramReplies(asyncio.DatagramProtocol):
    """Answers each datagram with at most one."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where answers go."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer a query; an answer that finds no room is lost, as UDP allows."""
        answer = self._answerer.answer(data, IPv4Address(addr[0]), Transport.UDP)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class NameServer:
    """One network's server."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._stream: FabricServer | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    def start(self, endpoint: HostEndpoint, address: IPv4Address) -> None:
        """Listen on `address`, port 53, UDP and TCP.

        Raises:
            OSError: The address is not the host's, or something else listens there.
        """
        self._stream = endpoint.listen(self._serve, str(address), DNS_PORT)
        replies = DatagramReplies(self._answerer)
        self._datagrams = endpoint.open_datagrams(replies, str(address), DNS_PORT)

    def close(self) -> None:
        """Stop, and break off what is under way."""
        if self._stream is not None:
            self._stream.close()
            self._stream.abort_clients()
            self._stream = None
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = IPv4Address(writer.get_extra_info("peername")[0])
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    async with asyncio.timeout(IDLE_S):
                        size = int.from_bytes(await reader.readexactly(2), "big")
                        query = await reader.readexactly(size)
                    answer = self._answerer.answer(query, source, Transport.TCP)
                    if answer is None:
                        return
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    async with asyncio.timeout(IDLE_S):
                        await writer.drain()
        finally:
            writer.close()
