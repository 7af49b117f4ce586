"""Real guests on two nodes: what crosses a trunk, and what happens when that does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from pod_node.engine import EngineRuntime
from tests.support.configurations import group, linked
from tests.support.datagrams import DatagramSocket
from tests.support.lab import FABRIC_BYTES, NETWORKS, eventually, shared_compiler
from tests.support.nodes import NODES, TwinLab, twin_lab
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag, Subscription, subscribe_fd
from vnet.capture import InterfacePlace
from vnet.capture.packet import read_headers
from vnet.configuration import (
    Denial,
    Direction,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
)
from vnet.ping import EchoOutcome

MS = 1_000_000
PORT = 80
NONBLOCK = FdFlag.NONBLOCK


@dataclass
class Pair:
    """A client on the first node and a server on the second."""

    nodes: TwinLab
    client: Puppet
    server: Puppet
    listener: int

    async def connected(self) -> tuple[int, int]:
        near = await self.client.connect(self.server.guest.address, PORT)
        return near, await self.server.accept(self.listener)

    @property
    def path(self) -> str:
        return f"tcp/connect/{self.server.guest.address}/{PORT}"


async def pair_on(nodes: TwinLab) -> Pair:
    client, server = await nodes.puppet(), await nodes.puppet()
    return Pair(nodes, client, server, await server.listen(PORT))


@pytest.fixture
async def nodes() -> AsyncIterator[TwinLab]:
    async with twin_lab() as opened:
        yield opened


@pytest.fixture
async def pair(nodes: TwinLab) -> Pair:
    return await pair_on(nodes)


@pytest.fixture
async def wired() -> AsyncIterator[Pair]:
    """With a wire in between that the test can break."""
    async with twin_lab(proxied=True) as nodes:
        yield await pair_on(nodes)


@pytest.fixture
async def impatient() -> AsyncIterator[Pair]:
    """The same, and flows outlive no outage."""
    async with twin_lab(proxied=True, outage_s=0.01) as nodes:
        yield await pair_on(nodes)


def flows(nodes: TwinLab) -> int:
    return sum(one.flows for runtime in nodes.twins.runtimes for one in runtime.trunk.statuses)


async def test_both_ends_see_the_same_two_ends(pair: Pair) -> None:
    near, far = await pair.connected()
    assert await pair.client.remote(near) == (pair.server.guest.address, PORT)
    assert await pair.server.remote(far) == await pair.client.local(near)
    assert (await pair.client.local(near))[0] == pair.client.guest.address


async def test_names_lead_to_pods_on_other_nodes(pair: Pair) -> None:
    pair.nodes.publish({"web": [pair.server.guest.address]})
    await pair.client.connect("web", PORT)
    await pair.server.accept(pair.listener)


async def test_a_full_backlog_lets_the_next_one_in_when_there_is_room(pair: Pair) -> None:
    server, client = pair.server, pair.client
    fd = await server.open_net("tcp/socket")
    ident = await server.socket_id(fd)
    await server.control_command(f"bind {ident} 0.0.0.0 81")
    await server.control_command(f"listen {ident} 1")
    path = f"tcp/connect/{server.guest.address}/81"
    await client.open_net(path)
    waiting = await client.open_net(path, NONBLOCK)
    withdrawn = await client.open_net(path, NONBLOCK)
    await client.close(withdrawn)
    await server.accept(fd)
    (event,) = await client.poll(subscribe_fd(Subscription.WRITE, waiting))
    assert event.error is Errno.SUCCESS
    assert await client.ask(f"sock/{await client.socket_id(waiting)}/error") == "0\n"
    await server.accept(fd)
    await eventually(lambda: flows(pair.nodes) == 4)


async def test_a_reader_that_stops_holds_up_nobody_else(pair: Pair) -> None:
    stuck, _ = await pair.connected()
    await pair.client.set_nonblocking(stuck)
    full = 0
    while full < 3:  # more may fit once what was written has gone on its way
        full = full + 1 if await pair.client.try_write(stuck, bytes(65536)) is Errno.AGAIN else 0
    near, far = await pair.connected()
    for turn in range(20):
        await pair.client.write(near, turn.to_bytes(4, "little"))
        assert await pair.server.read_exactly(far, 4) == turn.to_bytes(4, "little")


async def test_many_flows_cross_at_once(pair: Pair) -> None:
    ends = [await pair.connected() for _ in range(100)]
    for number, (near, _) in enumerate(ends):
        await pair.client.write(near, number.to_bytes(2, "little") * 500)
    for number, (_, far) in enumerate(ends):
        assert await pair.server.read_exactly(far, 1000) == number.to_bytes(2, "little") * 500
    for near, far in ends:
        await pair.client.close(near)
        assert await pair.server.read(far) == b""
        await pair.server.close(far)
    await eventually(lambda: flows(pair.nodes) == 0)


@pytest.mark.parametrize("denial", Denial)
async def test_policies_are_asked_where_a_connection_begins(pair: Pair, denial: Denial) -> None:
    client, server = pair.client.guest.address, pair.server.guest.address
    shut = Policy(name="shut", groups=("server@front",), direction=Direction.INGRESS, denial=denial)
    groups = group("client@front", client), group("server@front", server)
    pair.nodes.runtime.configure_network(NetworkConfiguration(groups=groups, policies=(shut,)))
    if denial is Denial.REJECT:
        assert await pair.client.try_open_net(pair.path) is Errno.CONNREFUSED
    else:
        waiting = await pair.client.open_net(pair.path, NONBLOCK)
        assert await pair.client.try_read(waiting) is Errno.AGAIN
    first, second = pair.nodes.twins.runtimes
    assert first.network_statistics(flows=False).policies[0].denied == 1
    assert second.network_statistics(flows=False).policies[0].denied == 0
    allowed = Policy(
        name="open", groups=("server@front",), direction=Direction.INGRESS, rules=(PolicyRule(),)
    )
    pair.nodes.runtime.configure_network(NetworkConfiguration(groups=groups, policies=(allowed,)))
    await pair.connected()
    assert first.network_statistics(flows=False).policies[0].allowed == (1,)
    assert second.network_statistics(flows=False).policies[0].allowed == (0,)


async def test_captures_see_remote_flows_at_both_ends(pair: Pair) -> None:
    seen: dict[str, int] = {}

    async def watch(address: str) -> None:
        place = InterfacePlace(address=IPv4Address(address))
        async for batch in pair.nodes.runtime.capture(place, snapshot_bytes=0):
            for packet in batch.packets:
                headers = read_headers(packet)
                if headers and PORT in (headers.source_port, headers.target_port):
                    seen[address] = seen.get(address, 0) + headers.payload_bytes

    ends = pair.client.guest.address, pair.server.guest.address
    async with asyncio.TaskGroup() as watchers:
        tasks = [watchers.create_task(watch(address)) for address in ends]
        await asyncio.sleep(0)
        near, far = await pair.connected()
        await pair.client.write(near, bytes(5000))
        await pair.server.read_exactly(far, 5000)
        await pair.server.write(far, bytes(300))
        await pair.client.read_exactly(near, 300)
        await eventually(lambda: seen == dict.fromkeys(ends, 5300))
        for task in tasks:
            task.cancel()


async def test_a_pod_that_moves_takes_no_flows_along(pair: Pair) -> None:
    near, _ = await pair.connected()
    await pair.server.kill()
    twins = pair.nodes.twins
    twins.forget([IPv4Address(pair.server.guest.address)])
    assert await pair.client.try_read(near) is Errno.CONNRESET
    assert await pair.client.try_open_net(pair.path) is Errno.HOSTUNREACH
    await eventually(lambda: flows(pair.nodes) == 0)


async def test_the_host_of_one_node_reaches_pods_of_another(pair: Pair) -> None:
    first = pair.nodes.twins.runtimes[0]
    reader, writer = await first.endpoint.open_connection(pair.server.guest.address, PORT)
    far = await pair.server.accept(pair.listener)
    writer.write(b"hello")
    assert await pair.server.read_exactly(far, 5) == b"hello"
    await pair.server.write(far, b"world")
    assert await reader.readexactly(5) == b"world"
    writer.close()
    await writer.wait_closed()


async def test_a_broken_trunk_is_a_partition_for_a_time(wired: Pair) -> None:
    near, far = await wired.connected()
    voice, ear = (
        await DatagramSocket.bind(wired.client),
        await DatagramSocket.bind(wired.server, flags=NONBLOCK),
    )
    wired.nodes.wire.cut()
    await eventually(lambda: not wired.nodes.twins.is_joined())
    await wired.client.write(near, b"patience")
    await voice.send(b"lost", ear.endpoint)
    waiting = await wired.client.open_net(wired.path, NONBLOCK)
    result = await wired.nodes.runtime.ping(
        IPv4Address(wired.client.guest.address),
        IPv4Address(wired.server.guest.address),
        sequence=1,
        payload_bytes=8,
        timeout_s=0.05,
    )
    assert result.outcome is EchoOutcome.TIMEOUT
    wired.nodes.wire.mend()
    assert await wired.server.read_exactly(far, 8) == b"patience"
    await wired.server.accept(wired.listener)
    await wired.client.poll(subscribe_fd(Subscription.WRITE, waiting))
    assert await ear.empty()
    await voice.send(b"heard", ear.endpoint)
    await wired.server.poll(subscribe_fd(Subscription.READ, ear.fd))
    assert (await ear.receive()).payload == b"heard"


async def test_bytes_that_were_under_way_when_the_trunk_broke_arrive_once(wired: Pair) -> None:
    near, far = await wired.connected()
    for turn in range(5):
        wired.nodes.wire.hold()
        await wired.client.write(near, turn.to_bytes(4, "little") * 1000)
        await eventually(lambda: wired.nodes.twins.is_joined())
        wired.nodes.wire.cut()
        wired.nodes.wire.release()
        wired.nodes.wire.mend()
        assert await wired.server.read_exactly(far, 4000) == turn.to_bytes(4, "little") * 1000
        await eventually(wired.nodes.twins.is_joined)


async def test_flows_do_not_outlive_an_outage_that_is_too_long(impatient: Pair) -> None:
    near, far = await impatient.connected()
    impatient.nodes.wire.cut()
    assert await impatient.client.try_read(near) is Errno.CONNRESET
    assert await impatient.server.try_read(far) is Errno.CONNRESET
    impatient.nodes.wire.mend()
    await impatient.connected()


@pytest.mark.parametrize("delay_ms", [0, 2], ids=["direct", "paced"])
async def test_a_node_that_comes_back_as_another_resets_flows(wired: Pair, delay_ms: int) -> None:
    ends = wired.client.guest.address, wired.server.guest.address
    if delay_ms:
        wired.nodes.runtime.configure_network(linked(*ends, LinkParameters(delay_ns=delay_ms * MS)))
    near, _ = await wired.connected()
    wired.nodes.wire.cut()
    twins = wired.nodes.twins
    second = twins.runtimes[1]
    await second.close()
    fresh = EngineRuntime(shared_compiler(), fabric_bytes=FABRIC_BYTES)
    try:
        for name, subnet in NETWORKS.items():
            fresh.attach_network(name, subnet)
        await fresh.trunk.open(twins.settings(NODES[1]))
        twins.runtimes = [twins.runtimes[0], fresh]
        twins.announce()
        wired.nodes.wire.mend()
        assert await wired.client.try_read(near) is Errno.CONNRESET
        expected = Errno.HOSTUNREACH
        assert await wired.client.try_open_net(wired.path) is expected
    finally:
        await fresh.close()
