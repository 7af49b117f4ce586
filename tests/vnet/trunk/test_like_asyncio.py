"""Connections between two nodes go as they do over Linux's own sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network

import pytest

from pod_node.spec import Interface
from tests.support.lab import eventually
from tests.support.nodes import TwinLab, twin_lab
from tests.vnet.host.scenarios import SCENARIOS, Scenario, Serve, Streams

FAR = IPv4Network("10.30.0.0/24")
"""Only the second node's host is on it, and the first node takes it for a pod's."""


class Loopback:
    """Linux."""

    @asynccontextmanager
    async def serve(self, handle: Serve, limit: int = 65536) -> AsyncIterator[int]:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=limit)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def connect(self, port: int, limit: int = 65536) -> Streams:
        return await asyncio.open_connection("127.0.0.1", port, limit=limit)


class Across:
    """From one fabric to another."""

    def __init__(self, nodes: TwinLab) -> None:
        self._near, self._far = (runtime.endpoint for runtime in nodes.twins.runtimes)
        self._address = FAR.network_address + 1
        nodes.twins.runtimes[1].attach_network("far", FAR)
        interface = Interface(network="front", address=self._address, prefix=FAR.prefixlen)
        nodes.twins.settle([interface], home=1)

    @asynccontextmanager
    async def serve(self, handle: Serve, limit: int = 65536) -> AsyncIterator[int]:
        server = await self._far.start_server(handle, str(self._address), 0, limit=limit)
        async with server:
            yield server.address[1]

    async def connect(self, port: int, limit: int = 65536) -> Streams:
        return await self._near.open_connection(str(self._address), port, limit=limit)


@pytest.fixture
async def nodes() -> AsyncIterator[TwinLab]:
    async with twin_lab() as opened:
        yield opened


TIGHT = "a_writer_is_held_back"
"""Counts on the buffers of two sockets; here is a window between them."""
ACROSS = [scenario for scenario in SCENARIOS if scenario.__name__ != TIGHT]


@pytest.mark.parametrize("scenario", ACROSS, ids=lambda scenario: scenario.__name__)
async def test_a_scenario_goes_as_on_linux(nodes: TwinLab, scenario: Scenario) -> None:
    net = Across(nodes)
    before = nodes.statistics()[1]
    assert await scenario(net) == await scenario(Loopback())
    await eventually(lambda: nodes.statistics()[1] == before)
