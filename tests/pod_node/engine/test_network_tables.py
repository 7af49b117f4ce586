"""Configurations in a real fabric: datagrams between guests meet links and faults."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.engine.fabric import Fabric
from pod_node.engine.network_tables import NetworkTables
from tests.support.configurations import (
    NUMBERED,
    configurations,
    fault,
    group,
    linked,
)
from tests.support.lab import Lab, eventually, shared_compiler
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from vnet.configuration import FaultKind, LinkParameters, NetworkConfiguration
from vnet.errors import ConfigurationError
from vnet.statistics import LinkStatistics

PORT = 7000
MS = 1_000_000
QUICK = LinkParameters(delay_ns=5 * MS)
DISTANT = LinkParameters(delay_ns=3600 * 1000 * MS)


class Pair:
    """A guest that sends datagrams to another, on the network `front`."""

    def __init__(self, pods: Lab, left: Puppet, right: Puppet) -> None:
        self.pods, self.left, self.right = pods, left, right
        self.ends = left.guest.address, right.guest.address
        self.sender = self.receiver = -1

    async def open(self) -> None:
        self.receiver = await self.right.open_net(f"udp/bind/0.0.0.0/{PORT}", FdFlag.NONBLOCK)
        self.sender = await self.left.open_net(f"udp/connect/{self.ends[1]}/{PORT}")

    def configure(self, configuration: NetworkConfiguration) -> None:
        self.pods.runtime.configure_network(configuration)

    async def send(self, data: bytes = b"ping") -> None:
        assert await self.left.write(self.sender, data) == len(data)

    async def arrived(self) -> bool:
        return await self.right.try_read(self.receiver) is Errno.SUCCESS

    async def receive(self) -> bytes:
        """Wait for a datagram; without its header."""
        await self.right.set_nonblocking(self.receiver, on=False)
        data = await self.right.read(self.receiver)
        await self.right.set_nonblocking(self.receiver)
        return data[-4:]

    def forward(self) -> LinkStatistics:
        return self.pods.runtime.network_statistics(flows=False).links[0]


@pytest.fixture
async def pair(pods: Lab) -> Pair:
    opened = Pair(pods, await pods.puppet(), await pods.puppet())
    await opened.open()
    return opened


@TWICE
async def test_a_datagram_crosses_a_link_and_is_counted(pair: Pair) -> None:
    pair.configure(linked(*pair.ends, QUICK))
    await pair.send()
    assert await pair.receive() == b"ping"
    counted = pair.forward()
    assert (counted.link, counted.backward) == ("left--right", False)
    assert (counted.packets, counted.bytes, counted.dropped_packets) == (1, 32, 0)


@TWICE
async def test_a_distant_pod_hears_nothing_yet(pair: Pair) -> None:
    pair.configure(linked(*pair.ends, DISTANT))
    await pair.send()
    pair.configure(linked(*pair.ends, LinkParameters()))
    await pair.send(b"pong")
    assert await pair.receive() == b"pong"
    assert not await pair.arrived()


@TWICE
async def test_lost_datagrams_are_counted(pair: Pair) -> None:
    pair.configure(linked(*pair.ends, LinkParameters(loss=1.0)))
    for _ in range(3):
        await pair.send()
    assert pair.forward().lost_packets == 3
    assert not await pair.arrived()


@TWICE
async def test_a_cut_is_one_way_until_it_is_healed(pair: Pair) -> None:
    cut = fault(FaultKind.CUT, *pair.ends)
    pair.configure(linked(*pair.ends, QUICK, faults=(cut,)))
    await pair.send(b"lost")
    back = fault(FaultKind.CUT, *reversed(pair.ends))
    pair.configure(linked(*pair.ends, QUICK, faults=(back,)))
    await pair.send(b"pong")
    assert await pair.receive() == b"pong"
    assert pair.forward().cut_packets == 1


@TWICE
async def test_held_datagrams_come_when_they_are_released(pair: Pair) -> None:
    hold = fault(FaultKind.HOLD, *pair.ends)
    pair.configure(linked(*pair.ends, LinkParameters(), faults=(hold,)))
    await pair.send(b"one.")
    await pair.send(b"two.")
    assert not await pair.arrived()
    pair.configure(linked(*pair.ends, LinkParameters()))
    assert await pair.receive() == b"one."
    assert await pair.receive() == b"two."


@TWICE
async def test_an_interface_s_own_link_is_counted_for_its_group(pair: Pair) -> None:
    groups = (
        group("left@front", pair.ends[0], access=QUICK),
        group("right@front", pair.ends[1], access=QUICK),
    )
    pair.configure(NetworkConfiguration(groups=groups))
    await pair.send()
    assert await pair.receive() == b"ping"
    counted = pair.pods.runtime.network_statistics(flows=False).links
    assert [one.link for one in counted] == ["left@front", "right@front"]
    assert counted[0].packets >= 1  # what the test tells the guest to do crosses it too


@TWICE
async def test_a_link_keeps_its_counters_when_it_changes(pair: Pair) -> None:
    pair.configure(linked(*pair.ends, QUICK))
    await pair.send()
    assert await pair.receive() == b"ping"
    pair.configure(linked(*pair.ends, replace(QUICK, delay_ns=MS)))
    assert pair.forward().packets == 1


@TWICE
async def test_links_lead_to_another_network(pods: Lab) -> None:
    near = await pods.puppet()
    far = await pods.puppet(networks=("front", "back"))
    assert far.guest.pod is not None
    hidden = str(far.guest.pod.spec.interfaces[1].address)
    receiver = await far.open_net(f"udp/bind/0.0.0.0/{PORT}")
    path = f"udp/connect/{hidden}/{PORT}"
    assert await near.try_open_net(path) is Errno.NETUNREACH
    configuration = linked("10.10.0.99", "10.10.0.98", QUICK)
    groups = (group("left@front", near.guest.address), group("right@back", hidden))
    there, back = configuration.routes
    routes = (replace(there, target="right@back"), replace(back, source="right@back"))
    pods.runtime.configure_network(replace(configuration, groups=groups, routes=routes))
    sender = await near.open_net(path)
    await near.write(sender, b"ping")
    assert (await far.read(receiver))[-4:] == b"ping"


@TWICE
async def test_nonsense_changes_nothing(pair: Pair) -> None:
    good = linked(*pair.ends, LinkParameters(loss=1.0))
    pair.configure(good)
    with pytest.raises(ConfigurationError):
        pair.configure(replace(good, links=()))
    await pair.send()
    assert pair.forward().lost_packets == 1


async def come_and_go(pair: Pair) -> None:
    """Two sockets are closed while datagrams wait for a link, which then ends too."""
    await pair.open()
    pair.configure(linked(*pair.ends, replace(QUICK, rate_bit_s=1000)))
    for _ in range(5):
        await pair.send(bytes(1000))
    await pair.left.close(pair.sender)
    await pair.right.close(pair.receiver)
    assert pair.forward().queued_packets > 0
    pair.configure(NetworkConfiguration())


@TWICE
async def test_nothing_is_left_of_links_and_packets(pods: Lab) -> None:
    pair = Pair(pods, await pods.puppet(), await pods.puppet())
    await come_and_go(pair)
    before = pods.statistics()
    await come_and_go(pair)
    await eventually(lambda: pods.statistics() == before)


def bare_fabric() -> Fabric:
    return Fabric(shared_compiler(), size_bytes=64 << 20, cores=1)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(configurations(), max_size=4))
def test_any_configurations_are_applied_and_leave_nothing(
    stages: list[NetworkConfiguration],
) -> None:
    fabric = bare_fabric()
    tables = NetworkTables(fabric)
    before = fabric.statistics()
    for configuration in stages:
        tables.apply(configuration, NUMBERED)
        own = [known.name for known in configuration.groups if known.access is not None]
        named = [link.name for link in configuration.links for _ in range(2)]
        assert [counted.link for counted in tables.link_statistics()] == named + own
        assert set(tables.groups) == {known.name for known in configuration.groups}
    tables.apply(NetworkConfiguration(), NUMBERED)
    assert fabric.statistics() == before
