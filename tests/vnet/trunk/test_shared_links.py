"""A link with a rate that pods on two nodes use: they have it once, and share it by flows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from tests.support.configurations import group
from tests.support.lab import eventually
from tests.support.nodes import TwinLab, twin_lab
from tests.support.puppet import Puppet
from vnet.configuration import Hop, Link, LinkParameters, NetworkConfiguration, Route
from vnet.tasks import TaskOwner
from vnet.trunk.frames import WHOLE, LinkWay

PORT = 80
PIECE = 65_536
SHARED = LinkWay("shared", False, 0)
RATED = LinkParameters(delay_ns=1_000_000, rate_bit_s=8_000_000)
PLAIN = LinkParameters(delay_ns=1_000_000)


@asynccontextmanager
async def writing(puppet: Puppet, ends: list[int]) -> AsyncIterator[None]:
    """Have a pod write as much as it can to all of its connections, and then end."""

    async def write() -> None:
        while True:
            for end in ends:
                await puppet.write(end, bytes(PIECE))

    async with working(puppet, write()):
        yield


@asynccontextmanager
async def reading(puppet: Puppet, ends: list[int]) -> AsyncIterator[None]:
    """Have a pod read whatever comes, and then end."""

    async def read() -> None:
        while True:
            for end in ends:
                await puppet.read(end, PIECE)

    async with working(puppet, read()):
        yield


@asynccontextmanager
async def working(puppet: Puppet, work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = TaskOwner()
    tasks.spawn(work, name="work")
    try:
        yield
    finally:
        await tasks.cancel_all()
        await puppet.kill()


@dataclass
class Site:
    """A client and a server on one node, on either side of the link."""

    client: Puppet
    server: Puppet
    listener: int

    @asynccontextmanager
    async def greedy(self, flows: int) -> AsyncIterator[None]:
        """Have connections that always have more to send, and are read at once."""
        ends = []
        for _ in range(flows):
            near = await self.client.connect(self.server.guest.address, PORT)
            ends.append((near, await self.server.accept(self.listener)))
        async with (
            reading(self.server, [far for _, far in ends]),
            writing(self.client, [near for near, _ in ends]),
        ):
            yield


@dataclass
class Rig:
    nodes: TwinLab
    first: Site
    second: Site

    def configure(self, link: LinkParameters, access: LinkParameters | None = None) -> None:
        """Have a link between clients and servers, and one of each server's own."""
        left = [site.client.guest.address for site in (self.first, self.second)]
        right = [site.server.guest.address for site in (self.first, self.second)]
        self.nodes.runtime.configure_network(
            NetworkConfiguration(
                groups=(group("left@front", *left), group("right@front", *right, access=access)),
                links=(Link(name="shared", forward=link, backward=PLAIN),),
                routes=(
                    Route(source="left@front", target="right@front", hops=(Hop(link="shared"),)),
                    Route(
                        source="right@front",
                        target="left@front",
                        hops=(Hop(link="shared", backward=True),),
                    ),
                ),
            )
        )

    def share(self, node: int, way: LinkWay = SHARED) -> float:
        """What a node may have of a link's rate."""
        limits = self.nodes.twins.runtimes[node].trunk.sharing.limits
        return limits.get(way, WHOLE) / WHOLE

    def sent(self, node: int) -> int:
        """What a node has put on the link."""
        statistics = self.nodes.twins.runtimes[node].network_statistics(flows=False)
        return next(link.bytes for link in statistics.links if not link.backward)

    def shares_are(self, first: float, second: float, way: LinkWay = SHARED) -> bool:
        return abs(self.share(0, way) - first) < 0.05 and abs(self.share(1, way) - second) < 0.05


async def site_on(nodes: TwinLab, puppets: list[Puppet]) -> Site:
    client, server = puppets
    return Site(client, server, await server.listen(PORT))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with twin_lab(proxied=True) as nodes:
        puppets = [await nodes.puppet() for _ in range(4)]  # on the two nodes in turn
        opened = Rig(
            nodes, await site_on(nodes, puppets[0::2]), await site_on(nodes, puppets[1::2])
        )
        opened.configure(RATED)
        yield opened


async def test_two_nodes_have_half_a_link_each(rig: Rig) -> None:
    async with rig.first.greedy(1), rig.second.greedy(1):
        await eventually(lambda: rig.shares_are(0.5, 0.5))
        before = rig.sent(0), rig.sent(1)
        await eventually(lambda: rig.sent(0) - before[0] > 500_000)
        assert 0.8 < (rig.sent(1) - before[1]) / (rig.sent(0) - before[0]) < 1.25


async def test_shares_follow_flows(rig: Rig) -> None:
    async with rig.first.greedy(3), rig.second.greedy(1):
        await eventually(lambda: rig.shares_are(0.75, 0.25))


async def test_a_node_that_begins_does_not_wait_and_one_that_ends_leaves_its_share(
    rig: Rig,
) -> None:
    async with AsyncExitStack() as second:
        async with rig.first.greedy(1):
            await eventually(lambda: rig.shares_are(1, 0.5))  # as if one flow had begun already
            await second.enter_async_context(rig.second.greedy(1))
            await eventually(lambda: rig.shares_are(0.5, 0.5))
        await eventually(lambda: rig.share(1) == 1)


async def test_without_a_trunk_a_node_has_the_whole_link(rig: Rig) -> None:
    async with rig.first.greedy(1), rig.second.greedy(1):
        await eventually(lambda: rig.shares_are(0.5, 0.5))
        rig.nodes.wire.cut()
        await eventually(lambda: rig.shares_are(1, 1))
        rig.nodes.wire.mend()
        await eventually(lambda: rig.shares_are(0.5, 0.5))


async def test_an_interface_s_own_link_is_shared_by_those_who_connect_from_elsewhere(
    rig: Rig,
) -> None:
    rig.configure(PLAIN, access=RATED)
    server, clients = rig.first.server, (rig.first.client, rig.second.client)
    ends = []
    for client in clients:
        near = await client.connect(server.guest.address, PORT)
        ends.append((near, await server.accept(rig.first.listener)))
    own = LinkWay("", False, int(IPv4Address(server.guest.address)))
    async with (
        reading(clients[0], [ends[0][0]]),
        reading(clients[1], [ends[1][0]]),
        writing(server, [far for _, far in ends]),
    ):
        await eventually(lambda: rig.shares_are(0.5, 0.5, own))


async def test_a_link_whose_rate_is_lifted_is_not_shared(rig: Rig) -> None:
    async with rig.first.greedy(1), rig.second.greedy(1):
        await eventually(lambda: rig.shares_are(0.5, 0.5))
        rig.configure(PLAIN)
        await eventually(lambda: rig.shares_are(1, 1))
        rig.configure(RATED)
        await eventually(lambda: rig.shares_are(0.5, 0.5))
