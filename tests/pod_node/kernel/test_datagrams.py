"""Datagram sockets of pods, as files: boundaries, peers, limits, broadcasts, refusals."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.spec import ExitKind, Limits
from tests.support.datagrams import HEADER, DatagramSocket, header
from tests.support.lab import Lab
from tests.support.nodes import TWICE
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, FileType, Subscription, subscribe_fd

SCRATCH = BUFFER + 8192
NONBLOCK = FdFlag.NONBLOCK
LARGEST = 65_507
DEFAULT_BUFFER = 212_992


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


@pytest.fixture
async def peer(pods: Lab) -> Puppet:
    return await pods.puppet()


@TWICE
async def test_a_datagram_arrives_whole_and_with_its_sender(guest: Puppet, peer: Puppet) -> None:
    server, client = await DatagramSocket.bind(peer), await DatagramSocket.bind(guest)
    for payload in (b"first", b"", b"third" * 200):
        await client.send(payload, server.endpoint)
    for payload in (b"first", b"", b"third" * 200):
        received = await server.receive()
        assert (received.payload, received.sender) == (payload, client.endpoint)
        assert not received.truncated
    await server.send(b"answer", client.endpoint)
    assert (await client.receive()).sender == server.endpoint


async def test_what_a_read_has_no_room_for_is_gone_and_marked(guest: Puppet) -> None:
    server, client = await DatagramSocket.bind(guest), await DatagramSocket.bind(guest)
    await client.send(b"123456", ("127.0.0.1", server.port))
    await client.send(b"next", ("127.0.0.1", server.port))
    received = await server.receive(4)
    assert (received.payload, received.truncated) == (b"1234", True)
    assert (await server.receive()).payload == b"next"
    assert await guest.try_read(server.fd, HEADER.size - 1) is Errno.INVAL


@TWICE
async def test_a_connected_socket_reads_and_writes_bare_payloads(
    guest: Puppet, peer: Puppet
) -> None:
    server = await DatagramSocket.bind(peer)
    client = await DatagramSocket.connect(guest, *server.endpoint, NONBLOCK)
    assert (await guest.filestat(client.fd)).filetype is FileType.SOCKET_DGRAM
    assert await guest.remote(client.fd) == server.endpoint
    assert await guest.write(client.fd, b"question") == 8
    asked = await server.receive()
    stranger = await DatagramSocket.bind(peer)
    await stranger.send(b"not for you", asked.sender)
    assert await client.empty()
    await server.send(b"answer", asked.sender)
    assert await guest.read(client.fd) == b"answer"


@TWICE
async def test_a_header_of_nobody_goes_to_the_peer(guest: Puppet) -> None:
    server = await DatagramSocket.bind(guest)
    client = await DatagramSocket.connect(guest, "127.0.0.1", server.port)
    assert await client.set("headers", 1) is Errno.SUCCESS
    assert await guest.write(client.fd, bytes(HEADER.size) + b"one") == HEADER.size + 3
    assert await guest.write(client.fd, header("0.0.0.0", 0) + b"two") == HEADER.size + 3
    assert [(await server.receive()).payload for _ in range(2)] == [b"one", b"two"]
    not_ipv4 = bytes(15) + b"\1" + bytes(4)
    assert await guest.try_write(client.fd, not_ipv4 + b"x") is Errno.AFNOSUPPORT
    assert await guest.try_write(client.fd, b"short") is Errno.INVAL
    assert await client.try_send(b"x", ("127.0.0.1", 0)) is Errno.INVAL
    fresh = await DatagramSocket.bind(guest)
    assert await guest.try_write(fresh.fd, bytes(HEADER.size)) is Errno.DESTADDRREQ


@TWICE
async def test_a_port_that_nobody_holds_refuses_a_peer(guest: Puppet, peer: Puppet) -> None:
    server = await DatagramSocket.bind(peer)
    await peer.close(server.fd)
    client = await DatagramSocket.connect(guest, *server.endpoint, NONBLOCK)
    assert await guest.write(client.fd, b"anybody") == 7
    assert await guest.try_read(client.fd) is Errno.CONNREFUSED
    assert await guest.try_read(client.fd) is Errno.AGAIN
    assert await guest.write(client.fd, b"anybody") == 7
    assert await guest.try_write(client.fd, b"again") is Errno.CONNREFUSED
    unconnected = await DatagramSocket.bind(guest, flags=NONBLOCK)
    await unconnected.send(b"anybody", server.endpoint)
    assert await unconnected.empty()


async def test_a_refusal_wakes_a_waiting_reader(guest: Puppet) -> None:
    client = await DatagramSocket.connect(guest, "127.0.0.1", 9)
    assert await guest.write(client.fd, b"anybody") == 7
    ident = await guest.socket_id(client.fd)
    assert await guest.control_command(f"error {ident}") == str(Errno.CONNREFUSED.value)


@TWICE
async def test_an_address_that_no_pod_has_takes_datagrams_in_silence(guest: Puppet) -> None:
    client = await DatagramSocket.connect(guest, "10.10.77.77", 9, NONBLOCK)
    assert await guest.write(client.fd, b"anybody") == 7
    assert await client.empty()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.20.0.1", Errno.NETUNREACH),
        ("192.0.2.1", Errno.NETUNREACH),
        ("224.0.0.251", Errno.NETUNREACH),
        ("239.255.255.250", Errno.NETUNREACH),
        ("255.255.255.255", Errno.ACCES),
        ("10.10.255.255", Errno.ACCES),
    ],
)
async def test_where_no_datagram_goes(guest: Puppet, address: str, expected: Errno) -> None:
    client = await DatagramSocket.bind(guest)
    assert await client.try_send(b"x", (address, 9)) is expected
    assert await guest.try_open_net(f"udp/connect/{address}/9") is expected


@TWICE
async def test_a_broadcast_reaches_every_pod_of_one_network(pods: Lab) -> None:
    sender = await pods.puppet(networks=("front", "back"))
    member, front_only = await pods.puppet(networks=("front", "back")), await pods.puppet()
    voice = await DatagramSocket.bind(sender, 5353, flags=NONBLOCK)
    inside = await DatagramSocket.bind(member, 5353, flags=NONBLOCK)
    outside = await DatagramSocket.bind(front_only, 5353, flags=NONBLOCK)
    particular = await DatagramSocket.bind(member, 5354, member.guest.address, flags=NONBLOCK)
    await voice.set("broadcast", 1)
    for address in ("255.255.255.255", "10.10.255.255"):
        await voice.send(b"front", (address, 5353))
        for one in (voice, inside, outside):
            assert (await one.receive()).sender == (sender.guest.address, 5353)
    await voice.send(b"back", ("10.20.255.255", 5353))
    assert [(await one.receive()).payload for one in (voice, inside)] == [b"back"] * 2
    await voice.send(b"front", ("10.10.255.255", 5354))
    for one in (voice, inside, outside, particular):
        assert await one.empty()


@TWICE
async def test_a_broadcast_may_be_as_large_as_any_datagram(pods: Lab, guest: Puppet) -> None:
    other = await pods.puppet()
    voice, hearer = await DatagramSocket.bind(guest, 5353), await DatagramSocket.bind(other, 5353)
    await voice.set("broadcast", 1)
    for size in (1473, LARGEST):
        await voice.send(bytes(size), ("255.255.255.255", 5353))
        assert len((await hearer.receive(LARGEST)).payload) == size
    assert await voice.try_send(bytes(LARGEST + 1), ("255.255.255.255", 9)) is Errno.MSGSIZE


async def test_broadcasts_reach_all_who_share_a_port(guest: Puppet) -> None:
    first = await guest.open_net("udp/socket")
    second = await guest.open_net("udp/socket")
    for fd in (first, second):
        ident = await guest.socket_id(fd)
        await guest.control_command(f"set {ident} reuseaddr 1")
        await guest.control_command(f"bind {ident} 10.10.255.255 4000")
    voice = await DatagramSocket.bind(guest)
    await voice.set("broadcast", 1)
    await voice.send(b"both", ("10.10.255.255", 4000))
    assert [await guest.read(fd) for fd in (first, second)] == [b"both", b"both"]


async def test_multicast_cannot_be_joined(guest: Puppet) -> None:
    await guest.checked("sock_open", 1, 1, SCRATCH)
    fd = await guest.peek_u32(SCRATCH)
    guest.poke(SCRATCH, bytes([224, 0, 0, 251, 0, 0, 0, 0]))
    assert await guest.call("sock_setsockopt", fd, 0, 35, SCRATCH, 8) is Errno.NOTSUP


@TWICE
async def test_sizes(guest: Puppet, peer: Puppet) -> None:
    server, client = await DatagramSocket.bind(peer), await DatagramSocket.bind(guest)
    plain = await DatagramSocket.connect(guest, *server.endpoint)
    assert await guest.write(plain.fd, bytes(LARGEST)) == LARGEST
    assert len((await server.receive(LARGEST)).payload) == LARGEST
    assert await guest.try_write(plain.fd, bytes(LARGEST + 1)) is Errno.MSGSIZE
    assert await client.try_send(bytes(LARGEST + 1), server.endpoint) is Errno.MSGSIZE


@TWICE
async def test_a_flood_is_cut_at_the_receive_buffer(pods: Lab) -> None:
    victim, flooder, third = await pods.puppet(), await pods.puppet(), await pods.puppet()
    for one in (victim, flooder, third):  # so that the test's own connections have their buffers
        await one.ask("hostname")
    before = pods.statistics()
    sink = await DatagramSocket.bind(victim, flags=NONBLOCK)
    flood = await DatagramSocket.connect(flooder, *sink.endpoint)
    for _ in range(400):
        assert await flooder.write(flood.fd, bytes(1000)) == 1000
    assert await sink.get("rcvbuf") == DEFAULT_BUFFER
    dropped = await sink.get("drops")
    assert dropped > 100
    assert pods.statistics()[0] - before[0] < 2 * DEFAULT_BUFFER
    other = await DatagramSocket.bind(victim)
    unharmed = await DatagramSocket.connect(third, *other.endpoint)
    await third.write(unharmed.fd, b"still here")
    assert (await other.receive()).payload == b"still here"
    for opened in (flood, unharmed, sink, other):
        await opened.guest.close(opened.fd)
    assert pods.statistics() == before


async def test_what_is_read_and_what_is_dropped_add_up(guest: Puppet) -> None:
    sink, source = (
        await DatagramSocket.bind(guest, flags=NONBLOCK),
        await DatagramSocket.bind(guest),
    )
    for _ in range(400):
        await source.send(bytes(1000), ("127.0.0.1", sink.port))
    kept = 0
    while await guest.try_read(sink.fd) is Errno.SUCCESS:
        kept += 1
    assert kept + await sink.get("drops") == 400


async def test_a_receive_buffer_can_be_smaller_but_not_larger(guest: Puppet) -> None:
    server, client = await DatagramSocket.bind(guest), await DatagramSocket.bind(guest)
    assert await server.set("rcvbuf", 1 << 30) is Errno.SUCCESS
    assert await server.get("rcvbuf") == DEFAULT_BUFFER
    assert await server.set("rcvbuf", 0) is Errno.INVAL
    assert await server.set("rcvbuf", 1) is Errno.SUCCESS
    for _ in range(20):
        await client.send(bytes(1000), ("127.0.0.1", server.port))
    assert 0 < await server.get("drops") < 20


@TWICE
async def test_datagrams_are_paid_for(pods: Lab) -> None:
    poor = await pods.puppet(limits=Limits(fabric_bytes=300_000))
    rich = await pods.puppet()
    sink = await DatagramSocket.bind(poor)
    source = await DatagramSocket.connect(rich, *sink.endpoint)
    for _ in range(60):
        await rich.write(source.fd, bytes(30_000))
    assert await sink.get("drops") > 0
    back = await DatagramSocket.connect(poor, rich.guest.address, 9)
    errors = {await poor.try_write(back.fd, bytes(LARGEST)) for _ in range(4)}
    assert Errno.NOBUFS in errors


async def test_ports_of_udp_and_tcp_are_apart(guest: Puppet) -> None:
    one = await DatagramSocket.bind(guest, 8080)
    listener = await guest.listen(8080)
    assert (await guest.local(listener))[1] == one.port == 8080
    assert await guest.try_open_net("udp/bind/0.0.0.0/8080") is Errno.ADDRINUSE
    assert await guest.try_open_net("udp/bind/10.10.99.99/0") is Errno.ADDRNOTAVAIL


@TWICE
async def test_those_that_share_a_port_take_turns_by_sender(guest: Puppet, peer: Puppet) -> None:
    sockets = []
    for _ in range(4):
        fd = await guest.open_net("udp/socket", NONBLOCK)
        ident = await guest.socket_id(fd)
        await guest.control_command(f"set {ident} reuseport 1")
        await guest.control_command(f"bind {ident} 0.0.0.0 6000")
        sockets.append(DatagramSocket(guest, fd, 6000))
    for _ in range(40):
        client = await DatagramSocket.connect(peer, guest.guest.address, 6000)
        await peer.write(client.fd, b"a")
        await peer.write(client.fd, b"b")
        heard = [one for one in sockets if await guest.try_read(one.fd) is Errno.SUCCESS]
        assert len(heard) == 1
        assert await guest.read(heard[0].fd) == b"b"
        sockets.remove(heard[0])
        sockets.append(heard[0])
        await peer.close(client.fd)


async def test_a_poll_sees_datagrams_and_errors(guest: Puppet) -> None:
    server = await DatagramSocket.bind(guest)
    client = await DatagramSocket.connect(guest, "127.0.0.1", server.port)
    events = await guest.poll(
        subscribe_fd(Subscription.READ, server.fd), subscribe_fd(Subscription.WRITE, server.fd)
    )
    assert [event.kind for event in events] == [Subscription.WRITE]
    await guest.write(client.fd, b"12345")
    (event,) = await guest.poll(subscribe_fd(Subscription.READ, server.fd))
    assert event.available == 5
    await guest.close(server.fd)
    await guest.write(client.fd, b"12345")
    (event,) = await guest.poll(subscribe_fd(Subscription.READ, client.fd))
    assert not event.hangup


@TWICE
async def test_a_peer_can_be_changed_and_left(guest: Puppet) -> None:
    first, second = await DatagramSocket.bind(guest), await DatagramSocket.bind(guest)
    client = await DatagramSocket.connect(guest, "127.0.0.1", first.port)
    ident = await guest.socket_id(client.fd)
    await guest.control_command(f"connect {ident} 127.0.0.1 {second.port}")
    await guest.write(client.fd, b"to the second")
    assert (await second.receive()).payload == b"to the second"
    await guest.control_command(f"connect {ident} 0.0.0.0 0")
    assert await guest.try_write(client.fd, b"to nobody") is Errno.DESTADDRREQ
    assert await guest.try_command(f"remote {ident}") is Errno.NOTCONN
    assert await guest.local(client.fd) == ("0.0.0.0", client.port)


@TWICE
async def test_a_kill_ends_a_wait_for_a_datagram(pods: Lab) -> None:
    guest, other = await pods.puppet(), await pods.puppet()
    server = await DatagramSocket.bind(guest)
    client = await DatagramSocket.connect(other, *server.endpoint, NONBLOCK)
    guest.start("fd_read", server.fd, *guest.buffers(2048), SCRATCH)
    assert (await guest.kill()).kind is ExitKind.KILLED
    assert await other.write(client.fd, b"gone") == 4
    assert await client.empty()


async def test_what_streams_do_and_datagrams_do_not(guest: Puppet) -> None:
    one = await DatagramSocket.bind(guest)
    ident = await guest.socket_id(one.fd)
    assert await guest.try_command(f"listen {ident} 5") is Errno.NOTSUP
    assert await guest.try_open_net(f"tcp/accept/{ident}") is Errno.NOTSUP
    assert await guest.try_open_net(f"tcp/dup/{ident}") is Errno.BADF
    assert await guest.try_open_net(f"tcp/pair/{ident}") is Errno.BADF
    assert await guest.try_command(f"shutdown {ident} rw") is Errno.NOTCONN
    assert await guest.try_command(f"set {ident} nodelay 1") is Errno.NOPROTOOPT
    again = await guest.open_net(f"udp/dup/{ident}")
    assert await guest.socket_id(again) == ident
    stream = await guest.socket_id(await guest.open_net("tcp/socket"))
    assert await guest.try_open_net(f"udp/dup/{stream}") is Errno.BADF
    assert await guest.try_command(f"set {stream} headers 1") is Errno.NOPROTOOPT


hosts = st.sampled_from(
    ["127.0.0.1", "0.0.0.0", "10.10.0.1", "10.10.0.2", "10.20.0.1", "255.255.255.255", "224.0.0.1"]
) | st.ip_addresses(v=4).map(str)
headers = st.builds(header, hosts, st.integers(0, 65_535), st.integers(0, 65_535))
datagrams = st.builds(bytes.__add__, headers, st.binary(max_size=64)) | st.binary(max_size=64)


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(written=st.lists(datagrams, max_size=20))
async def test_any_bytes_are_a_datagram_or_refused(guest: Puppet, written: list[bytes]) -> None:
    one = await DatagramSocket.bind(guest, flags=NONBLOCK)
    await one.set("broadcast", 1)
    for data in written:
        error = await guest.try_write(one.fd, data)
        assert len(data) >= HEADER.size or error is Errno.INVAL
        assert error in (
            Errno.SUCCESS, Errno.INVAL, Errno.AFNOSUPPORT, Errno.NETUNREACH, Errno.DESTADDRREQ
        )  # fmt: skip
    await one.send(b"itself", ("127.0.0.1", one.port))
    while (await one.receive()).payload != b"itself":
        pass
    await guest.close(one.fd)


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
verbs = st.sampled_from(
    ["bind", "connect", "listen", "local", "remote", "error", "get", "set", "shutdown"]
)
names = st.sampled_from(
    ["headers", "nocheck", "drops", "rcvbuf", "broadcast", "nodelay", "r", "rw"]
)


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(commands=st.lists(st.tuples(verbs, names | hosts | words, words | hosts), max_size=10))
async def test_any_command_is_carried_out_or_refused(
    guest: Puppet, commands: list[tuple[str, str, str]]
) -> None:
    one = await DatagramSocket.bind(guest, flags=NONBLOCK)
    ident = await guest.socket_id(one.fd)
    for verb, first, second in commands:
        await guest.try_command(f"{verb} {ident} {first} {second}")
        await guest.try_open_net(f"udp/{verb}/{first}/{second}")
    assert (await guest.local(one.fd))[1] == one.port
    await guest.close(one.fd)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("udp", Errno.NOENT),
        ("udp/connect", Errno.NOENT),
        ("udp/listen/0.0.0.0/1", Errno.NOENT),
        ("udp/connect/10.10.0.1/x", Errno.INVAL),
        ("udp/bind/name/1", Errno.INVAL),
        ("udp/bind/0.0.0.0/65536", Errno.INVAL),
        ("udp/dup/99999", Errno.BADF),
        ("udp/socket/1", Errno.NOENT),
        ("udp/connect/no-such-name/1", Errno.NOENT),
    ],
)
async def test_a_path_that_means_nothing_has_an_errno(
    guest: Puppet, path: str, expected: Errno
) -> None:
    assert await guest.try_open_net(path) is expected
