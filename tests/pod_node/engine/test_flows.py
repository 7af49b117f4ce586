"""TCP between real guests over paced paths: connects, bytes, ends, conversions, kills, counters."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.support.configurations import fault, linked
from tests.support.lab import Lab, eventually
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag, Subscription, subscribe_fd
from vnet.configuration import (
    Fault,
    FaultKind,
    LinkParameters,
    NetworkConfiguration,
    Protocol,
)
from vnet.statistics import FlowStatistics, TcpState

pytestmark = TWICE
PORT = 80
MS = 1_000_000
QUICK = LinkParameters(delay_ns=3 * MS)
LOSSY = LinkParameters(delay_ns=2 * MS, jitter_ns=MS, loss=0.05, duplicate=0.05)
DISTANT = LinkParameters(delay_ns=3600 * 1000 * MS)
CHUNK = 2000


class Pair:
    """A client and a server on the network `front`, with a link in between."""

    def __init__(self, pods: Lab, client: Puppet, server: Puppet) -> None:
        self.pods, self.client, self.server = pods, client, server
        self.ends = client.guest.address, server.guest.address
        self.listener = -1

    def link(self, parameters: LinkParameters, *faults: Fault) -> None:
        self.pods.runtime.configure_network(linked(*self.ends, parameters, faults=faults))

    def no_link(self) -> None:
        self.pods.runtime.configure_network(NetworkConfiguration())

    def flows(self, port: int = PORT) -> list[FlowStatistics]:
        """Sockets that have anything to do with a port, but listeners."""
        statistics = self.pods.runtime.network_statistics(flows=True)
        return [
            flow
            for flow in statistics.flows
            if port in (flow.local.port, flow.remote and flow.remote.port)
            and flow.state is not TcpState.LISTEN
        ]

    async def connected(self) -> tuple[int, int]:
        """The client's and the server's descriptor of a new connection."""
        near = await self.client.connect(self.ends[1], PORT)
        return near, await self.server.accept(self.listener)


@pytest.fixture
async def pair(pods: Lab) -> Pair:
    opened = Pair(pods, await pods.puppet(), await pods.puppet())
    opened.listener = await opened.server.listen(PORT)
    return opened


async def carry(pair: Pair, writer: tuple[Puppet, int], reader: tuple[Puppet, int]) -> None:
    """Write numbers on one end and read them on the other."""
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def write() -> None:
        for number in range(30):
            data = number.to_bytes(4, "little") * (CHUNK // 4)
            sent.update(data)
            assert await writer[0].write(writer[1], data) == CHUNK

    async def read() -> None:
        for _ in range(30):
            received.update(await reader[0].read_exactly(reader[1], CHUNK))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write(), name="write")
        tasks.create_task(read(), name="read")
    assert sent.digest() == received.digest()


@pytest.mark.parametrize("parameters", [QUICK, LOSSY], ids=["quick", "lossy"])
async def test_bytes_cross_a_link_both_ways_and_end(pair: Pair, parameters: LinkParameters) -> None:
    pair.link(parameters)
    near, far = await pair.connected()
    await carry(pair, (pair.client, near), (pair.server, far))
    await carry(pair, (pair.server, far), (pair.client, near))
    await pair.client.checked("sock_shutdown", near, 2)
    assert await pair.server.read(far) == b""
    await carry(pair, (pair.server, far), (pair.client, near))
    await pair.server.close(far)
    assert await pair.client.read(near) == b""


async def test_a_connect_that_does_not_wait_is_polled_for(pair: Pair) -> None:
    pair.link(QUICK)
    near = await pair.client.connect(pair.ends[1], PORT, FdFlag.NONBLOCK)
    (event,) = await pair.client.poll(subscribe_fd(Subscription.WRITE, near))
    assert event.error is Errno.SUCCESS
    assert await pair.client.ask(f"sock/{await pair.client.socket_id(near)}/error") == "0\n"
    refused = await pair.client.connect(pair.ends[1], 81, FdFlag.NONBLOCK)
    await pair.client.poll(subscribe_fd(Subscription.WRITE, refused))
    error = await pair.client.ask(f"sock/{await pair.client.socket_id(refused)}/error")
    assert int(error) == Errno.CONNREFUSED


async def test_a_connect_over_a_path_is_refused_or_unreachable(pair: Pair) -> None:
    pair.link(QUICK)
    assert await pair.client.try_open_net(f"tcp/connect/{pair.ends[1]}/81") is Errno.CONNREFUSED
    await pair.server.kill()
    result = await pair.client.try_open_net(f"tcp/connect/{pair.ends[1]}/{PORT}")
    assert result is Errno.HOSTUNREACH


async def test_a_reset_crosses_the_link(pair: Pair) -> None:
    pair.link(QUICK)
    near, far = await pair.connected()
    await pair.client.write(near, b"unread")
    await pair.server.poll(subscribe_fd(Subscription.READ, far))
    await pair.server.close(far)
    assert await pair.client.try_read(near) is Errno.CONNRESET
    assert await pair.client.try_write(near, b"x") is Errno.PIPE


async def test_live_connections_follow_the_configuration(pair: Pair) -> None:
    near, far = await pair.connected()
    for _ in range(3):
        await carry(pair, (pair.client, near), (pair.server, far))
        assert all(flow.sender is None for flow in pair.flows())
        await pair.client.write(near, b"before")
        pair.link(QUICK)
        assert await pair.server.read_exactly(far, 6) == b"before"
        assert all(flow.sender is not None for flow in pair.flows())
        await carry(pair, (pair.client, near), (pair.server, far))
        pair.no_link()


async def test_what_is_on_its_way_arrives_when_its_link_goes(pair: Pair) -> None:
    near, far = await pair.connected()
    pair.link(DISTANT)
    await pair.client.write(near, b"far away")
    await pair.client.close(near)
    await pair.server.set_nonblocking(far)
    assert await pair.server.try_read(far) is Errno.AGAIN
    pair.link(QUICK)  # the first copy goes on as it went off; a later one comes sooner
    await pair.server.set_nonblocking(far, on=False)
    assert await pair.server.read_exactly(far, 8) == b"far away"
    assert await pair.server.read(far) == b""


async def test_a_cut_stops_bytes_and_healing_lets_them_on(pair: Pair) -> None:
    near, far = await pair.connected()
    pair.link(QUICK, fault(FaultKind.CUT, *pair.ends))
    await pair.client.write(near, b"patience")
    await eventually(
        lambda: any(flow.sender and flow.sender.retransmitted_segments for flow in pair.flows())
    )
    await pair.server.set_nonblocking(far)
    assert await pair.server.try_read(far) is Errno.AGAIN
    await pair.server.set_nonblocking(far, on=False)
    pair.link(QUICK)
    assert await pair.server.read_exactly(far, 8) == b"patience"


async def test_sockets_are_read_out(pair: Pair) -> None:
    pair.link(QUICK)
    near, far = await pair.connected()
    await carry(pair, (pair.client, near), (pair.server, far))
    await eventually(
        lambda: all(flow.sender and not flow.sender.in_flight_bytes for flow in pair.flows())
    )
    await pair.server.write(far, b"unread")
    await pair.client.poll(subscribe_fd(Subscription.READ, near))
    flows = {flow.pod: flow for flow in pair.flows()}
    client, server = flows[pair.client.guest.name], flows[pair.server.guest.name]
    assert client.protocol is Protocol.TCP
    assert client.remote == server.local
    assert server.remote == client.local
    assert (client.sent_bytes, server.received_bytes) == (30 * CHUNK, 30 * CHUNK)
    assert client.receive_queue == client.received_bytes == len(b"unread")
    assert client.state is server.state is TcpState.ESTABLISHED
    assert client.sender is not None
    assert client.sender.mss_bytes == 1460
    assert client.sender.smoothed_rtt_ns >= 2 * QUICK.delay_ns
    assert client.sender.retransmission_timeout_ns >= 200 * MS
    assert client.sender.segments >= 30 * CHUNK // 1460
    assert client.sender.timeouts == client.sender.retransmitted_segments == 0
    await pair.client.checked("sock_shutdown", near, 2)
    assert await pair.server.read(far) == b""
    states = {flow.pod: flow.state for flow in pair.flows()}
    assert states[pair.client.guest.name] is TcpState.FIN_WAIT
    assert states[pair.server.guest.name] is TcpState.CLOSE_WAIT


async def test_every_socket_is_read_out_once(pods: Lab) -> None:
    guest = await pods.puppet()
    for _ in range(300):
        await guest.open_net("tcp/socket")
    flows = pods.runtime.network_statistics(flows=True).flows
    mine = [flow for flow in flows if flow.pod == guest.guest.name]
    assert sum(flow.state is TcpState.CLOSED for flow in mine) == 300
    assert sum(flow.state is TcpState.ESTABLISHED for flow in mine) == 1  # the puppeteer's


async def use_and_die(pair: Pair, *, server_first: bool) -> None:
    near, far = await pair.connected()
    for _ in range(20):
        await pair.client.connect(pair.ends[1], PORT, FdFlag.NONBLOCK)
    await pair.client.try_open_net(f"tcp/connect/{pair.ends[1]}/81", FdFlag.NONBLOCK)
    await pair.client.write(near, bytes(CHUNK))
    await pair.server.write(far, bytes(CHUNK))
    both = [pair.client, pair.server]
    for puppet in reversed(both) if server_first else both:
        await puppet.kill()
        puppet.hang_up()
        await puppet.hung_up()


async def test_pods_that_die_with_packets_under_way_leave_nothing(pods: Lab) -> None:
    async def fresh() -> Pair:
        pair = Pair(pods, await pods.puppet(), await pods.puppet())
        pair.listener = await pair.server.listen(PORT)
        return pair

    await use_and_die(await fresh(), server_first=False)
    before = pods.statistics()
    for parameters in (QUICK, LOSSY):
        for server_first in (False, True):
            pair = await fresh()
            pair.link(parameters)
            await use_and_die(pair, server_first=server_first)
            pair.no_link()
    await eventually(lambda: pods.statistics() == before)
