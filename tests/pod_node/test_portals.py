from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pod_node.errors import UnknownPortalError
from pod_node.portals import Portals
from pod_node.status import PortalBackend
from tests.support.pods import LOOPBACK
from vnet.edge import PortInUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BACKENDS = [PortalBackend("web-1", LOOPBACK), PortalBackend("web-2", LOOPBACK)]


@pytest.fixture
async def portals() -> AsyncIterator[Portals]:
    portals = Portals(asyncio.open_connection)
    yield portals
    await portals.stop()


async def test_portals_share_one_port_and_have_names_of_their_own(portals: Portals) -> None:
    first = await portals.open("web", 8080, 0, BACKENDS)
    second = await portals.open("web", 8080, 0, BACKENDS)
    assert first.host_port == second.host_port
    assert first.url != second.url
    assert f":{first.host_port}/" in first.url
    assert portals.views() == [first, second]


async def test_a_portal_can_have_a_port_for_itself(portals: Portals) -> None:
    shared = await portals.open("web", 8080, 0, [])
    own = await portals.open("api", 8000, await free_port(), [])
    assert own.host_port != shared.host_port
    assert own.url == f"http://localhost:{own.host_port}/"


async def test_a_port_in_use_leaves_no_portal_behind(portals: Portals) -> None:
    async with await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0) as blocker:
        port = blocker.sockets[0].getsockname()[1]
        with pytest.raises(PortInUseError):
            await portals.open("web", 8080, port, [])
    assert portals.views() == []
    await portals.open("web", 8080, port, [])


async def test_a_pod_can_be_taken_out_of_all_portals(portals: Portals) -> None:
    for _ in range(2):
        await portals.open("web", 8080, 0, BACKENDS)
    portals.remove_pod("web-1")
    portals.remove_pod("web-9")
    assert [view.backends for view in portals.views()] == [tuple(BACKENDS[1:])] * 2


async def test_a_closed_portal_is_unknown_and_its_port_free(portals: Portals) -> None:
    port = await free_port()
    portal = await portals.open("web", 8080, port, [])
    portals.close(portal.portal_id)
    with pytest.raises(UnknownPortalError, match=portal.portal_id):
        portals.close(portal.portal_id)
    await portals.open("web", 8080, port, [])


async def free_port() -> int:
    async with await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        return port
