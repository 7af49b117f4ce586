"""Datagrams between pods whose network is shaped, broken or guarded: what becomes of them there."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tests.support.configurations import fault, group, linked
from tests.support.datagrams import DatagramSocket
from tests.support.lab import FRONT_GATEWAY, Lab
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from vnet.configuration import (
    Denial,
    Direction,
    FaultKind,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Protocol,
)

pytestmark = TWICE
MS = 1_000_000
NONBLOCK = FdFlag.NONBLOCK
PORT = 7000


@pytest.fixture
async def left(pods: Lab) -> Puppet:
    return await pods.puppet()


@pytest.fixture
async def right(pods: Lab) -> Puppet:
    return await pods.puppet()


def shape(
    pods: Lab, left: Puppet, right: Puppet, there: LinkParameters, back: LinkParameters
) -> None:
    pods.runtime.configure_network(linked(left.guest.address, right.guest.address, there, back))


async def test_a_refusal_comes_back_along_the_links(pods: Lab, left: Puppet, right: Puppet) -> None:
    shape(pods, left, right, LinkParameters(delay_ns=2 * MS), LinkParameters(delay_ns=2 * MS))
    client = await DatagramSocket.connect(left, right.guest.address, PORT)
    await left.write(client.fd, b"anybody")
    assert await left.try_read(client.fd) is Errno.CONNREFUSED
    counted = pods.runtime.network_statistics(flows=False).links
    assert [(one.backward, one.packets, one.bytes) for one in counted] == [
        (False, 1, 28 + 7),
        (True, 1, 28 + 28),
    ]


async def test_a_refusal_can_be_lost(pods: Lab, left: Puppet, right: Puppet) -> None:
    shape(pods, left, right, LinkParameters(delay_ns=MS), LinkParameters(loss=1.0))
    client = await DatagramSocket.connect(left, right.guest.address, PORT)
    await left.write(client.fd, b"anybody")
    answer = await DatagramSocket.bind(right)
    probe = await DatagramSocket.connect(left, *answer.endpoint)
    await left.write(probe.fd, b"later")  # what comes after it has come, so it has, too
    await answer.receive()
    await left.set_nonblocking(client.fd)
    assert await left.try_read(client.fd) is Errno.AGAIN


async def test_damage_is_a_loss_unless_checksums_are_off(
    pods: Lab, left: Puppet, right: Puppet
) -> None:
    shape(pods, left, right, LinkParameters(corrupt=1.0), LinkParameters())
    careless = await DatagramSocket.bind(right)
    careful = await DatagramSocket.bind(right, flags=NONBLOCK)
    assert await careless.set("nocheck", 1) is Errno.SUCCESS
    sender = await DatagramSocket.bind(left)
    sent = bytes(range(100))
    await sender.send(sent, careful.endpoint)
    await sender.send(b"", careless.endpoint)
    await sender.send(sent, careless.endpoint)
    assert (await careless.receive()).payload == b""
    received = (await careless.receive()).payload
    differing = [a ^ b for a, b in zip(sent, received, strict=True) if a != b]
    assert len(differing) == 1
    assert differing[0].bit_count() == 1
    assert await careful.empty()


async def test_every_fragment_must_arrive(pods: Lab, left: Puppet, right: Puppet) -> None:
    lossy = LinkParameters(loss=0.2, mtu_bytes=1500)
    shape(pods, left, right, lossy, LinkParameters())
    receiver = await DatagramSocket.bind(right, flags=NONBLOCK)
    sender = await DatagramSocket.connect(left, *receiver.endpoint)
    for _ in range(10):
        await left.write(sender.fd, bytes(60_000))  # of 41 fragments, 0.8 ** 41 is 1 in 9,000
    assert await receiver.empty()
    for _ in range(60):
        await left.write(sender.fd, bytes(1000))
    assert await right.try_read(receiver.fd) is Errno.SUCCESS


async def test_a_duplicate_is_another_datagram(pods: Lab, left: Puppet, right: Puppet) -> None:
    shape(pods, left, right, LinkParameters(duplicate=1.0), LinkParameters())
    receiver = await DatagramSocket.bind(right)
    sender = await DatagramSocket.connect(left, *receiver.endpoint)
    await left.write(sender.fd, b"twice")
    assert [(await receiver.receive()).payload for _ in range(2)] == [b"twice"] * 2


async def test_a_broadcast_takes_each_pod_s_own_way(pods: Lab, left: Puppet, right: Puppet) -> None:
    near, cut_off = await pods.puppet(), await pods.puppet()
    configuration = linked(left.guest.address, right.guest.address, LinkParameters(delay_ns=5 * MS))
    grouped = (*configuration.groups, group("other@front", cut_off.guest.address))
    cut = fault(FaultKind.CUT, left.guest.address, cut_off.guest.address)
    pods.runtime.configure_network(replace(configuration, groups=grouped, faults=(cut,)))
    heard = [await DatagramSocket.bind(one, PORT) for one in (near, right)]
    deaf = await DatagramSocket.bind(cut_off, PORT, flags=NONBLOCK)
    voice = await DatagramSocket.bind(left)
    await voice.set("broadcast", 1)
    await voice.send(b"all", ("10.10.255.255", PORT))
    for one in heard:
        assert (await one.receive()).sender == voice.endpoint
    assert await deaf.empty()


def guard(pods: Lab, server: Puppet, client: Puppet, denial: Denial) -> None:
    """The server is isolated: it may be asked at PORT, and may ask nobody."""
    policies = [
        Policy(
            name="ingress",
            groups=("right@front",),
            direction=Direction.INGRESS,
            rules=(
                PolicyRule(
                    groups=("left@front",),
                    ports=(PortRange(first=PORT, last=PORT, protocol=Protocol.UDP),),
                ),
            ),
            denial=denial,
        ),
        Policy(name="egress", groups=("right@front",), direction=Direction.EGRESS, denial=denial),
    ]
    groups = (
        group("left@front", client.guest.address),
        group("right@front", server.guest.address),
    )
    pods.runtime.configure_network(NetworkConfiguration(groups=groups, policies=tuple(policies)))


async def test_answers_pass_where_questions_do_not(pods: Lab, left: Puppet, right: Puppet) -> None:
    guard(pods, right, left, Denial.REJECT)
    server = await DatagramSocket.bind(right, PORT)
    client = await DatagramSocket.bind(left, flags=NONBLOCK)
    await server.send(b"unasked", client.endpoint)
    assert await client.empty()
    await client.send(b"question", server.endpoint)
    assert (await server.receive()).payload == b"question"
    await server.send(b"answer", client.endpoint)
    await left.set_nonblocking(client.fd, on=False)  # from another node it takes a moment
    assert (await client.receive()).payload == b"answer"
    elsewhere = await DatagramSocket.bind(left, flags=NONBLOCK)
    await server.send(b"unasked", elsewhere.endpoint)
    assert await elsewhere.empty()
    counted = {one.policy: one for one in pods.runtime.network_statistics(flows=False).policies}
    assert counted["ingress"].allowed == (1,)
    assert counted["egress"].denied == 2


@pytest.mark.parametrize(
    ("denial", "expected"), [(Denial.REJECT, Errno.CONNREFUSED), (Denial.DROP, Errno.AGAIN)]
)
async def test_what_a_policy_denies_is_refused_or_lost(
    pods: Lab, left: Puppet, right: Puppet, denial: Denial, expected: Errno
) -> None:
    guard(pods, right, left, denial)
    server = await DatagramSocket.bind(right, PORT + 1, flags=NONBLOCK)
    client = await DatagramSocket.connect(left, *server.endpoint, NONBLOCK)
    await left.write(client.fd, b"question")
    assert await left.try_read(client.fd) is expected
    assert await server.empty()
    voice = await DatagramSocket.bind(left)
    await voice.set("broadcast", 1)
    await voice.send(b"all", ("10.10.255.255", PORT + 1))
    assert await server.empty()
    assert await voice.try_send(b"to the node", (FRONT_GATEWAY, 9)) is Errno.SUCCESS


async def test_a_ping_asks_policies_too(pods: Lab, left: Puppet, right: Puppet) -> None:
    ends = IPv4Address(left.guest.address), IPv4Address(right.guest.address)
    for denial in (Denial.REJECT, Denial.DROP):
        guard(pods, right, left, denial)
        for (source, target), policy in ((ends, "ingress"), (ends[::-1], "egress")):
            result = await pods.runtime.ping(
                source, target, sequence=1, payload_bytes=0, timeout_s=30.0
            )
            assert result.text == f"denied by policy {policy}"
