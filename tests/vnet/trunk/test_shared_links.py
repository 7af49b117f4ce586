"""A link with a rate that pods on two nodes use: they have it once, and share it by flows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

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
        tasks = TaskOwner()
        tasks.spawn(self._write([near for near, _ in ends]), name="write")
        tasks.spawn(self._read([far for _, far in ends]), name="read")
        try:
            yield
        finally:
            await tasks.cancel_all()
            await self.client.kill()

    async def _write(self, ends: list[int]) -> None:
        while True:
            for end in ends:
                await self.client.write(end, bytes(PIECE))

    async def _read(self, ends: list[int]) -> None:
        while True:
            for end in ends:
                await self.server.read(end, PIECE)


@dataclass
class Rig:
    nodes: TwinLab
    first: Site
    second: Site

    def configure(self, link: LinkParameters) -> None:
        left = [site.client.guest.address for site in (self.first, self.second)]
        right = [site.server.guest.address for site in (self.first, self.second)]
        self.nodes.runtime.configure_network(
            NetworkConfiguration(
                groups=(group("left@front", *left), group("right@front", *right)),
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

    def share(self, node: int) -> float:
        """What a node may have of the link's rate."""
        limits = self.nodes.twins.runtimes[node].trunk.sharing.limits
        return limits.get(SHARED, WHOLE) / WHOLE

    def sent(self, node: int) -> int:
        """What a node has put on the link."""
        statistics = self.nodes.twins.runtimes[node].network_statistics(flows=False)
        return next(link.bytes for link in statistics.links if not link.backward)

    def shares_are(self, first: float, second: float) -> bool:
        return abs(self.share(0) - first) < 0.05 and abs(self.share(1) - second) < 0.05


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


async def test_a_link_whose_rate_is_lifted_is_not_shared(rig: Rig) -> None:
    async with rig.first.greedy(1), rig.second.greedy(1):
        await eventually(lambda: rig.shares_are(0.5, 0.5))
        rig.configure(PLAIN)
        await eventually(lambda: rig.shares_are(1, 1))
        rig.configure(RATED)
        await eventually(lambda: rig.shares_are(0.5, 0.5))
