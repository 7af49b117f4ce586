"""The host endpoint behaves as asyncio does over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.lab import FRONT_GATEWAY, Lab, eventually
from tests.vnet.host.scenarios import SCENARIOS, Scenario, Serve, Streams


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


class Virtual:
    """A fabric."""

    def __init__(self, pods: Lab) -> None:
        self._endpoint = pods.runtime.endpoint

    @asynccontextmanager
    async def serve(self, handle: Serve, limit: int = 65536) -> AsyncIterator[int]:
        server = await self._endpoint.start_server(handle, FRONT_GATEWAY, 0, limit=limit)
        async with server:
            yield server.address[1]

    async def connect(self, port: int, limit: int = 65536) -> Streams:
        return await self._endpoint.open_connection(FRONT_GATEWAY, port, limit=limit)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_a_scenario_goes_as_on_linux(pods: Lab, scenario: Scenario) -> None:
    before = pods.statistics()[1]
    expected = await scenario(Loopback())
    assert await scenario(Virtual(pods)) == expected
    await eventually(lambda: pods.statistics()[1] == before)
