"""Serves DNS to pods on the gateway address of a network.

Owns the listeners and the framing over TCP (RFC 1035 4.2.2, RFC 7766); every answer is the
answerer's. Nothing that a pod sends ends the server.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.names.answers import Transport

if TYPE_CHECKING:
    from vnet.host import FabricServer, HostEndpoint
    from vnet.names.answers import Answerer

DNS_PORT = 53
IDLE_S = 10.0
"""RFC 7766 6.2.3: a few seconds; pods are near."""


class NameServer:
    """One network's server."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._stream: FabricServer | None = None

    def start(self, endpoint: HostEndpoint, address: IPv4Address) -> None:
        """Listen on `address`, port 53.

        Raises:
            OSError: The address is not the host's, or something else listens there.
        """
        self._stream = endpoint.listen(self._serve, str(address), DNS_PORT)

    def close(self) -> None:
        """Stop, and break off what is under way."""
        if self._stream is not None:
            self._stream.close()
            self._stream.abort_clients()
            self._stream = None

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
