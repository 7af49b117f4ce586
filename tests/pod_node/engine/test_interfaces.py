"""What goes through interfaces is counted: on any way, after its connection, its pod, and its next.

Pods talk on `back`; on `front` they talk to the test.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.configurations import fault, group, linked
from tests.support.datagrams import DatagramSocket
from tests.support.lab import BACK_GATEWAY, NETWORKS, Lab, eventually
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from vnet.configuration import (
    Direction,
    FaultKind,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Protocol,
)
from vnet.statistics import InterfaceStatistics

pytestmark = TWICE
MS = 1_000_000
PORT = 7000
ARRIVAL_S = 10.0
"""What is under way has come by then, on the busiest machine."""
DIRECT, SLOW = LinkParameters(), LinkParameters(delay_ns=MS)


class Pair:
    """Two pods, and what their interfaces on `back` have counted."""

    def __init__(self, pods: Lab, left: Puppet, right: Puppet) -> None:
        self.pods, self.left, self.right = pods, left, right
        self.names = left.guest.name, right.guest.name

    @property
    def addresses(self) -> tuple[str, str]:
        return address_of(self.left), address_of(self.right)

    def configure(self, parameters: LinkParameters) -> None:
        self.pods.runtime.configure_network(linked(*self.addresses, parameters, network="back"))

    async def connect(self) -> tuple[int, int]:
        """A connection from left to right: both ends' descriptors."""
        listener = await self.right.listen()
        _, port = await self.right.local(listener)
        client = await self.left.connect(self.addresses[1], port)
        server = await self.right.accept(listener)
        await self.right.close(listener)
        return client, server

    def counted(self) -> tuple[InterfaceStatistics, InterfaceStatistics]:
        left, right = (counted(self.pods, address) for address in self.addresses)
        return left, right

    async def expect(self, **left: int) -> None:
        """Left has counted this and nothing else, and right the opposite, once all has come."""
        opposite = {"sent": "received", "received": "sent"}
        right = {
            "_".join(opposite.get(word, word) for word in name.split("_")): value
            for name, value in left.items()
        }
        expected = [{n: v for n, v in side.items() if v} for side in (left, right)]
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_S):
                await eventually(lambda: self._numbers() == expected)
        assert self._numbers() == expected
        assert tuple((one.pod, one.network) for one in self.counted()) == tuple(
            (name, "back") for name in self.names
        )

    def _numbers(self) -> list[dict[str, int]]:
        return [
            {name: value for name, value in asdict(one).items() if isinstance(value, int) and value}
            for one in self.counted()
        ]


def address_of(puppet: Puppet) -> str:
    assert puppet.guest.pod is not None
    return str(puppet.guest.pod.spec.interfaces[1].address)


def counted(pods: Lab, address: str) -> InterfaceStatistics:
    found = {str(one.address): one for one in everything(pods)}
    return found[address]


def everything(pods: Lab) -> tuple[InterfaceStatistics, ...]:
    return pods.runtime.network_statistics(flows=False).interfaces


@pytest.fixture
async def pair(pods: Lab) -> Pair:
    both = "front", "back"
    return Pair(pods, await pods.puppet(networks=both), await pods.puppet(networks=both))


async def transfer(source: Puppet, out: int, target: Puppet, into: int, size: int) -> None:
    assert await source.write(out, bytes(size)) == size
    assert await target.read_exactly(into, size) == bytes(size)


@pytest.mark.parametrize("parameters", [DIRECT, SLOW], ids=["direct", "paced"])
async def test_bytes_of_a_connection_are_counted_while_it_is_open_and_after(
    pair: Pair, parameters: LinkParameters
) -> None:
    pair.configure(parameters)
    await pair.expect()
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 5000)
    await transfer(pair.right, server, pair.left, client, 700)
    await pair.expect(sent_bytes=5000, received_bytes=700)
    await pair.left.close(client)
    assert await pair.right.read(server) == b""
    await pair.expect(sent_bytes=5000, received_bytes=700)
    await pair.right.close(server)
    await pair.expect(sent_bytes=5000, received_bytes=700)
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 11)
    await pair.expect(sent_bytes=5011, received_bytes=700)


async def test_what_nobody_reads_has_been_received_and_what_is_lost_has_not(pair: Pair) -> None:
    pair.configure(DIRECT)
    client, server = await pair.connect()
    await pair.left.write(client, bytes(100))
    await pair.expect(sent_bytes=100)
    cut = fault(FaultKind.CUT, *pair.addresses)
    pair.pods.runtime.configure_network(
        linked(*pair.addresses, DIRECT, faults=(cut,), network="back")
    )
    await pair.left.write(client, bytes(30))
    await pair.right.close(server)
    left, right = pair.counted()
    assert (left.sent_bytes, right.received_bytes) == (130, 100)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 30_000), st.sampled_from([DIRECT, SLOW])),
        max_size=6,
    )
)
async def test_conversions_lose_and_double_no_byte(
    pair: Pair, steps: list[tuple[bool, int, LinkParameters]]
) -> None:
    before = pair.counted()[0]
    sent, received = before.sent_bytes, before.received_bytes
    client, server = await pair.connect()
    for forward, size, parameters in steps:
        pair.configure(parameters)
        if forward:
            await transfer(pair.left, client, pair.right, server, size)
            sent += size
        else:
            await transfer(pair.right, server, pair.left, client, size)
            received += size
        await pair.expect(sent_bytes=sent, received_bytes=received)
    await pair.left.close(client)
    await pair.right.close(server)
    await pair.expect(sent_bytes=sent, received_bytes=received)


@pytest.mark.parametrize("parameters", [DIRECT, SLOW], ids=["direct", "paced"])
async def test_datagrams_are_counted_where_they_are_taken(
    pair: Pair, parameters: LinkParameters
) -> None:
    pair.configure(parameters)
    receiver = await DatagramSocket.bind(pair.right, PORT)
    sender = await DatagramSocket.bind(pair.left)
    there = pair.addresses[1], PORT
    for size in (0, 10, 1000):
        await sender.send(bytes(size), there)
    for _ in range(3):
        await receiver.receive()
    await pair.expect(sent_datagrams=3, sent_bytes=1010)
    await sender.send(b"nobody", (there[0], PORT + 1))
    await sender.send(b"last", there)
    await receiver.receive()
    left, right = pair.counted()
    assert (left.sent_datagrams, left.sent_bytes) == (5, 1020)
    assert (right.received_datagrams, right.received_bytes) == (4, 1014)


async def test_a_full_receiver_drops_and_counts(pair: Pair) -> None:
    receiver = await DatagramSocket.bind(pair.right, PORT)
    assert await receiver.set("rcvbuf", 2304) is Errno.SUCCESS
    sender = await DatagramSocket.bind(pair.left)
    for _ in range(10):
        await sender.send(bytes(1500), (pair.addresses[1], PORT))

    def arrived() -> int:
        counted = pair.counted()[1]
        return counted.received_datagrams + counted.dropped_datagrams

    await eventually(lambda: arrived() == 10)
    left, right = pair.counted()
    assert left.sent_datagrams == 10
    assert right.dropped_datagrams > 0
    assert right.received_bytes == 1500 * right.received_datagrams


async def test_a_broadcast_is_one_datagram_to_each_interface(pair: Pair) -> None:
    await DatagramSocket.bind(pair.left, PORT)  # hears itself, by no interface
    heard = await DatagramSocket.bind(pair.right, PORT)
    voice = await DatagramSocket.bind(pair.left)
    await voice.set("broadcast", 1)
    await voice.send(b"all", ("10.20.255.255", PORT))
    await heard.receive()
    await pair.expect(sent_datagrams=1, sent_bytes=3)


async def test_a_pod_that_talks_to_itself_uses_no_interface(pair: Pair) -> None:
    own = address_of(pair.left)
    listener = await pair.left.listen()
    _, port = await pair.left.local(listener)
    for address in (own, "127.0.0.1"):
        client = await pair.left.connect(address, port)
        server = await pair.left.accept(listener)
        await transfer(pair.left, client, pair.left, server, 10)
        await pair.left.close(client)
        await pair.left.close(server)
        receiver = await DatagramSocket.bind(pair.left, PORT)
        sender = await DatagramSocket.bind(pair.left)
        await sender.send(b"self", (address, PORT))
        await receiver.receive()
        for socket in (receiver, sender):
            await pair.left.close(socket.fd)
    await ping(pair.pods, own, own)
    await pair.expect()


async def ping(pods: Lab, source: str, target: str, size: int = 56) -> str:
    result = await pods.runtime.ping(
        IPv4Address(source),
        IPv4Address(target),
        sequence=1,
        payload_bytes=size,
        timeout_s=30.0,
    )
    return result.text


async def test_echoes_are_counted_on_both_ways(pair: Pair) -> None:
    for parameters in (DIRECT, SLOW):
        pair.configure(parameters)
        assert await ping(pair.pods, *pair.addresses, size=100) == "reply"
    await pair.expect(sent_echoes=2, received_echoes=2, sent_bytes=200, received_bytes=200)


async def test_what_a_policy_denies_is_counted_at_both_ends(pair: Pair) -> None:
    ports = (PortRange(first=PORT, last=PORT, protocol=Protocol.TCP),)
    pair.pods.runtime.configure_network(
        NetworkConfiguration(
            groups=(group("left@back", pair.addresses[0]), group("right@back", pair.addresses[1])),
            policies=(
                Policy(
                    name="shut",
                    groups=("right@back",),
                    direction=Direction.INGRESS,
                    rules=(PolicyRule(ports=ports),),
                ),
            ),
        )
    )
    listener = await pair.right.listen(PORT)
    path = f"tcp/connect/{pair.addresses[1]}"
    assert await pair.left.try_open_net(f"{path}/{PORT + 1}") is Errno.CONNREFUSED
    assert await pair.left.try_open_net(f"{path}/{PORT}") is Errno.SUCCESS
    sender = await DatagramSocket.bind(pair.left)
    await sender.send(b"denied", (pair.addresses[1], PORT))
    assert await ping(pair.pods, *pair.addresses) == "denied by policy shut"
    await pair.expect(denied=3)
    await pair.right.close(listener)


@pytest.mark.parametrize("parameters", [DIRECT, SLOW], ids=["without a link", "over a link"])
async def test_what_a_partition_stops_is_counted_where_it_was_sent(
    pair: Pair, parameters: LinkParameters
) -> None:
    cut = fault(FaultKind.CUT, *pair.addresses)
    pair.pods.runtime.configure_network(
        linked(*pair.addresses, parameters, faults=(cut,), network="back")
    )
    sender, back = await DatagramSocket.bind(pair.left), await DatagramSocket.bind(pair.right, PORT)
    for _ in range(3):
        await sender.send(b"stopped", (pair.addresses[1], PORT))
    await back.send(b"passes", (pair.addresses[0], sender.port))
    assert (await sender.receive()).payload == b"passes"
    assert [(one.sent_datagrams, one.cut_packets) for one in pair.counted()] == [(3, 3), (1, 0)]


@pytest.mark.parametrize("parameters", [DIRECT, SLOW], ids=["direct", "paced"])
async def test_a_declared_interface_goes_on_counting_for_the_next_pod(
    pair: Pair, parameters: LinkParameters
) -> None:
    pair.configure(parameters)
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 4000)
    assert pair.left.guest.pod is not None
    interfaces = pair.left.guest.pod.spec.interfaces
    await pair.left.kill()
    gone = counted(pair.pods, str(interfaces[1].address))
    assert (gone.pod, gone.sent_bytes) == ("", 4000)
    pair.left = await pair.pods.puppet(name=pair.names[0], interfaces=interfaces)
    await pair.expect(sent_bytes=4000)
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 7)
    await pair.expect(sent_bytes=4007)


async def test_an_interface_that_changes_groups_goes_on_counting(pair: Pair) -> None:
    pair.configure(DIRECT)
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 4000)
    own, other = pair.addresses
    await pair.left.kill()
    for name in ("alone@back", "left@back"):
        pair.pods.runtime.configure_network(
            NetworkConfiguration(groups=(group(name, own), group("right@back", other)))
        )
        assert counted(pair.pods, own).sent_bytes == 4000
    pair.pods.runtime.configure_network(NetworkConfiguration())
    assert own not in {str(one.address) for one in everything(pair.pods)}


async def test_an_interface_that_nobody_declares_ends_with_its_pod(pair: Pair) -> None:
    client, server = await pair.connect()
    await transfer(pair.left, client, pair.right, server, 4000)
    assert pair.left.guest.pod is not None
    interfaces = pair.left.guest.pod.spec.interfaces
    await pair.left.kill()
    assert str(interfaces[1].address) not in {str(one.address) for one in everything(pair.pods)}
    pair.left = await pair.pods.puppet(name=pair.names[0], interfaces=interfaces)
    assert counted(pair.pods, address_of(pair.left)).sent_bytes == 0


async def test_the_node_s_own_interfaces_count_as_any(pair: Pair) -> None:
    sender = await DatagramSocket.connect(pair.left, BACK_GATEWAY, 9, FdFlag.NONBLOCK)
    await pair.left.write(sender.fd, b"nobody there")
    gateway = counted(pair.pods, BACK_GATEWAY)
    assert (gateway.pod, gateway.network, gateway.received_datagrams) == ("host", "back", 0)
    assert pair.counted()[0].sent_datagrams == 1


async def test_more_interfaces_than_one_call_gives_are_each_listed_once(pods: Lab) -> None:
    first = NETWORKS["back"].network_address + 2
    many = tuple(str(first + index) for index in range(20_000))
    pods.runtime.configure_network(NetworkConfiguration(groups=(group("crowd@back", *many),)))
    listed = [str(one.address) for one in everything(pods)]
    assert listed == ["10.10.0.1", BACK_GATEWAY, *many]


@pytest.mark.parametrize("parameters", [DIRECT, SLOW], ids=["direct", "slow"])
async def test_what_goes_between_addresses_is_counted_also_after_its_connection(
    pair: Pair, parameters: LinkParameters
) -> None:
    pair.configure(parameters)
    client, server = await pair.connect()
    assert await pair.left.write(client, bytes(3000)) == 3000
    await pair.right.read_exactly(server, 3000)
    assert await pair.right.write(server, bytes(70)) == 70
    await pair.left.read_exactly(client, 70)
    left, right = map(IPv4Address, pair.addresses)
    expected = {(left, right): 3000, (right, left): 70}

    def traffic() -> dict[tuple[IPv4Address, IPv4Address], int]:
        found = pair.pods.runtime.network_statistics(flows=True).traffic
        return {(one.source, one.target): one.bytes for one in found if one.source in (left, right)}

    assert traffic() == expected
    await pair.left.close(client)
    await pair.right.close(server)
    await eventually(lambda: traffic() == expected)
    assert pair.pods.runtime.network_statistics(flows=False).traffic == ()
