"""`/net`: sockets and answers as files, entry by entry."""

from __future__ import annotations

import pytest

from tests.support import wasi
from tests.support.lab import BACK_GATEWAY, FRONT_GATEWAY, Lab
from tests.support.nodes import TWICE
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, FileType, Subscription

SCRATCH = BUFFER + 8192


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet(name="alpha")


@pytest.fixture
async def peer(pods: Lab, guest: Puppet) -> Puppet:
    return await pods.puppet(name="beta")


async def connected(client: Puppet, server: Puppet) -> tuple[int, int]:
    """A connection between two guests: the client's descriptor and the server's."""
    listener = await server.listen()
    _, port = await server.local(listener)
    near = await client.connect(server.guest.address, port)
    far = await server.accept(listener)
    await server.close(listener)
    return near, far


async def test_the_directory_answers_for_its_fixed_names(guest: Puppet) -> None:
    for name in ("", ".", "tcp", "tcp/connect", "tcp/listen", "tcp/accept", "dns", "sock"):
        assert (await guest.stat(guest.net, name)).filetype is FileType.DIRECTORY
    for name in ("ctl", "hostname", "hosts", "interfaces"):
        assert (await guest.stat(guest.net, name)).filetype is FileType.REGULAR_FILE
    missing = await guest.call("path_filestat_get", guest.net, 0, *guest.path("nothing"), SCRATCH)
    assert missing is Errno.NOENT
    assert await guest.readdir(guest.net) == []


async def test_nothing_below_net_can_be_changed(guest: Puppet) -> None:
    name, other = guest.path("ctl"), guest.second_path("new")
    for call in ("path_create_directory", "path_unlink_file", "path_remove_directory"):
        assert await guest.call(call, guest.net, *name) is Errno.ROFS
    assert await guest.call("path_rename", guest.net, *name, guest.net, *other) is Errno.ROFS
    assert await guest.call("path_link", guest.net, 0, *name, guest.net, *other) is Errno.ROFS
    assert await guest.call("path_symlink", *name, guest.net, *other) is Errno.ROFS
    times = await guest.call("path_filestat_set_times", guest.net, 0, *name, 0, 0, 0)
    assert times is Errno.ROFS
    assert await guest.call("path_readlink", guest.net, *name, BUFFER, 9, SCRATCH) is Errno.INVAL


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nothing", Errno.NOENT),
        ("tcp", Errno.NOENT),
        ("tcp/nothing/1.2.3.4/5", Errno.NOENT),
        ("tcp/connect", Errno.NOENT),
        ("tcp/connect/10.10.0.9", Errno.NOENT),
        ("tcp/connect/10.10.0.9/x", Errno.INVAL),
        ("tcp/connect/10.10.0.9/65536", Errno.INVAL),
        ("tcp/connect/10.10.0.9/-1", Errno.INVAL),
        ("tcp/connect/no-such-name/80", Errno.NOENT),
        ("tcp/listen/name/80", Errno.INVAL),
        ("tcp/listen/10.10.9.9/80", Errno.ADDRNOTAVAIL),
        ("tcp/accept/x", Errno.BADF),
        ("tcp/accept/99999", Errno.BADF),
        ("tcp/pair/99999", Errno.BADF),
        ("tcp/a/b/c/d/e/f", Errno.INVAL),
        ("sock/99999/local", Errno.NOENT),
        ("sock/1", Errno.NOENT),
        ("dns/no-such-name", Errno.NOENT),
        ("dns", Errno.NOENT),
        ("hostname/x", Errno.NOENT),
        ("n" * 300, Errno.INVAL),
        ("n" * 600, Errno.NAMETOOLONG),
    ],
)
async def test_a_path_that_means_nothing_has_an_errno(
    guest: Puppet, path: str, expected: Errno
) -> None:
    assert await guest.try_open_net(path) is expected


@TWICE
async def test_hostname_and_interfaces(pods: Lab) -> None:
    guest = await pods.puppet(name="alpha", networks=("front", "back"))
    assert await guest.ask("hostname") == "alpha\n"
    lines = (await guest.ask("interfaces")).splitlines()
    assert lines == ["lo 127.0.0.1/8 -", "eth0 10.10.0.2/16 front", "eth1 10.20.0.2/16 back"]


@TWICE
async def test_bytes_go_both_ways(guest: Puppet, peer: Puppet) -> None:
    near, far = await connected(guest, peer)
    assert await guest.write(near, b"question") == 8
    assert await peer.read(far) == b"question"
    assert await peer.write(far, b"answer") == 6
    assert await guest.read(near) == b"answer"


@TWICE
async def test_both_ends_agree_on_the_addresses(guest: Puppet, peer: Puppet) -> None:
    near, far = await connected(guest, peer)
    assert (await guest.local(near))[0] == guest.guest.address
    assert await guest.local(near) == await peer.remote(far)
    assert await guest.remote(near) == await peer.local(far)
    assert 32768 <= (await guest.local(near))[1] <= 60999


@TWICE
async def test_the_peer_of_a_closed_connection_reads_the_end(guest: Puppet, peer: Puppet) -> None:
    near, far = await connected(guest, peer)
    await guest.write(near, b"last words")
    await guest.close(near)
    assert await peer.read(far) == b"last words"
    assert await peer.read(far) == b""
    assert await peer.read(far) == b""


@TWICE
async def test_closing_with_unread_bytes_resets(guest: Puppet, peer: Puppet) -> None:
    near, far = await connected(guest, peer)
    await peer.write(far, b"never read")
    await guest.poll(wasi.subscribe_fd(Subscription.READ, near))
    await guest.close(near)
    assert await peer.try_read(far) is Errno.CONNRESET
    assert await peer.read(far) == b""
    assert await peer.try_write(far, b"x") is Errno.PIPE


@TWICE
async def test_a_connection_is_refused_where_nobody_listens(guest: Puppet, peer: Puppet) -> None:
    refused = f"tcp/connect/{peer.guest.address}/4000"
    assert await guest.try_open_net(refused) is Errno.CONNREFUSED
    assert await guest.try_open_net(refused, FdFlag.NONBLOCK) is Errno.CONNREFUSED
    assert await guest.try_open_net("tcp/connect/127.0.0.1/4000") is Errno.CONNREFUSED
    assert await guest.try_open_net(f"tcp/connect/{peer.guest.address}/0") is Errno.CONNREFUSED


async def test_a_connection_to_oneself_goes_by_loopback_any_and_own_address(
    guest: Puppet,
) -> None:
    listener = await guest.listen()
    _, port = await guest.local(listener)
    for host in ("127.0.0.1", "127.3.2.1", "0.0.0.0", guest.guest.address, "localhost", "alpha"):
        near = await guest.connect(host, port)
        far = await guest.accept(listener)
        await guest.write(near, host.encode())
        assert await guest.read(far) == host.encode()


@TWICE
async def test_a_listener_on_loopback_is_not_for_others(guest: Puppet, peer: Puppet) -> None:
    listener = await guest.listen(0, "127.0.0.1")
    _, port = await guest.local(listener)
    path = f"tcp/connect/{guest.guest.address}/{port}"
    assert await peer.try_open_net(path) is Errno.CONNREFUSED
    assert await guest.connect("127.0.0.1", port)


@TWICE
async def test_accept_waits_for_a_connection(guest: Puppet, peer: Puppet) -> None:
    listener = await guest.listen()
    _, port = await guest.local(listener)
    path = guest.path(f"tcp/accept/{await guest.socket_id(listener)}")
    guest.start("path_open", guest.net, 0, *path, 0, 0, 0, 0, SCRATCH)
    near = await peer.connect(guest.guest.address, port)
    assert await guest.answer() == 0
    await guest.write(await guest.peek_u32(SCRATCH), b"welcome")
    assert await peer.read(near) == b"welcome"


async def test_accept_does_not_wait_when_told_so(guest: Puppet) -> None:
    listener = await guest.listen()
    path = f"tcp/accept/{await guest.socket_id(listener)}"
    assert await guest.try_open_net(path, FdFlag.NONBLOCK) is Errno.AGAIN
    await guest.set_nonblocking(listener)
    assert await guest.try_open_net(path) is Errno.AGAIN


async def test_what_is_no_listener_accepts_nothing(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/socket")
    path = f"tcp/accept/{await guest.socket_id(fd)}"
    assert await guest.try_open_net(path) is Errno.INVAL


@TWICE
async def test_a_port_is_taken_once(guest: Puppet, peer: Puppet) -> None:
    listener = await guest.listen(8080)
    assert await guest.try_open_net("tcp/listen/0.0.0.0/8080") is Errno.ADDRINUSE
    assert await guest.try_open_net("tcp/listen/127.0.0.1/8080") is Errno.ADDRINUSE
    assert await peer.listen(8080), "every pod has ports of its own"
    await guest.close(listener)
    assert await guest.listen(8080)


@TWICE
async def test_another_pods_socket_cannot_be_named(guest: Puppet, peer: Puppet) -> None:
    ident = await peer.socket_id(await peer.listen())
    assert await guest.try_open_net(f"tcp/accept/{ident}") is Errno.BADF
    assert await guest.try_open_net(f"sock/{ident}/local") is Errno.NOENT
    assert await guest.try_command(f"shutdown {ident} rw") is Errno.BADF


async def test_a_pair_is_two_ends_of_one_connection(guest: Puppet) -> None:
    first = await guest.open_net("tcp/pair")
    ident = await guest.socket_id(first)
    second = await guest.open_net(f"tcp/pair/{ident}")
    assert await guest.try_open_net(f"tcp/pair/{ident}") is Errno.BADF
    await guest.write(second, b"ping")
    assert await guest.read(first) == b"ping"
    assert await guest.local(first) == await guest.remote(second)
    await guest.close(first)
    assert await guest.read(second) == b""


async def test_a_pair_whose_second_end_nobody_opened_is_freed(pods: Lab, guest: Puppet) -> None:
    before = pods.statistics()
    for _ in range(5):
        fd = await guest.open_net("tcp/pair")
        await guest.close(fd)
    assert pods.statistics()[1] == before[1]


@TWICE
async def test_a_nonblocking_connect_to_a_full_backlog_is_decided_later(
    guest: Puppet, peer: Puppet
) -> None:
    listener = await peer.open_net("tcp/socket")
    ident = await peer.socket_id(listener)
    await peer.control_command(f"bind {ident} 0.0.0.0 0")
    await peer.control_command(f"listen {ident} 1")
    _, port = await peer.local(listener)
    address = peer.guest.address
    await guest.connect(address, port)
    waiting = await guest.connect(address, port, FdFlag.NONBLOCK)
    clock = wasi.subscribe_clock(0, userdata=1)
    writing = wasi.subscribe_fd(Subscription.WRITE, waiting, 2)
    assert [event.userdata for event in await guest.poll(clock, writing)] == [1]
    assert await guest.try_read(waiting) is Errno.AGAIN
    assert (
        await guest.try_command(f"connect {await guest.socket_id(waiting)} {address} {port}")
        is Errno.ALREADY
    )
    await peer.accept(listener)
    assert [event.userdata for event in await guest.poll(writing)] == [2]
    assert await guest.ask(f"sock/{await guest.socket_id(waiting)}/error") == "0\n"
    doomed = await guest.connect(address, port, FdFlag.NONBLOCK)
    await peer.close(listener)
    await guest.poll(wasi.subscribe_fd(Subscription.WRITE, doomed))
    number = await guest.socket_id(doomed)
    assert await guest.ask(f"sock/{number}/error") == f"{Errno.CONNREFUSED:d}\n"
    assert await guest.ask(f"sock/{number}/error") == "0\n", "reading clears it"


@TWICE
async def test_names_are_looked_up(pods: Lab, guest: Puppet) -> None:
    pods.publish({"api": ["10.10.0.7", "10.10.0.8", "10.10.0.9"], "db": ["10.10.0.5"]})
    assert await guest.ask("dns/db") == "10.10.0.5\n"
    assert sorted((await guest.ask("dns/api")).split()) == ["10.10.0.7", "10.10.0.8", "10.10.0.9"]
    assert await guest.ask("dns/10.1.2.3") == "10.1.2.3\n"
    assert await guest.ask("dns/localhost") == "127.0.0.1\n"
    assert await guest.ask("dns/alpha") == f"{guest.guest.address}\n"
    assert await guest.control_command("dns db") == "10.10.0.5\n"
    assert await guest.try_command("dns nobody") is Errno.NOENT


@TWICE
async def test_a_name_connects(pods: Lab, guest: Puppet, peer: Puppet) -> None:
    pods.publish({"service": [peer.guest.address]})
    listener = await peer.listen()
    _, port = await peer.local(listener)
    near = await guest.connect("service", port)
    assert (await guest.remote(near))[0] == peer.guest.address


async def test_options_are_read_and_written_as_lines(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/socket")
    ident = await guest.socket_id(fd)
    path = f"sock/{ident}/options"
    options = dict(line.split() for line in (await guest.ask(path)).splitlines())
    assert options == {
        "reuseaddr": "0", "type": "1", "broadcast": "0", "sndbuf": options["sndbuf"],
        "rcvbuf": options["rcvbuf"], "keepalive": "0", "linger": "-1", "reuseport": "0",
        "acceptconn": "0", "nodelay": "0", "keepidle": "7200", "keepintvl": "75", "keepcnt": "9",
        "rcvtimeo": "0", "sndtimeo": "0", "protocol": "6",
    }  # fmt: skip
    file = await guest.open_net(path)
    assert await guest.write(file, b"nodelay 1\n") == 10
    assert await guest.write(file, b"keepidle 60") == 11
    assert await guest.try_write(file, b"keepidle 0") is Errno.INVAL
    assert await guest.try_write(file, b"nothing 1") is Errno.NOPROTOOPT
    assert await guest.try_write(file, b"type 1") is Errno.NOPROTOOPT
    assert await guest.try_write(file, b"nodelay x") is Errno.INVAL
    options = dict(line.split() for line in (await guest.ask(path)).splitlines())
    assert (options["nodelay"], options["keepidle"]) == ("1", "60")
    await guest.close(fd)
    assert await guest.try_write(file, b"nodelay 1") is Errno.BADF


async def test_texts_cannot_be_written(guest: Puppet) -> None:
    for path in ("hostname", "interfaces", "dns/localhost"):
        assert await guest.try_write(await guest.open_net(path), b"x") is Errno.BADF


async def test_a_text_is_read_in_parts(guest: Puppet) -> None:
    fd = await guest.open_net("hostname")
    assert [await guest.read(fd, 2) for _ in range(4)] == [b"al", b"ph", b"a\n", b""]


@TWICE
async def test_networks_are_apart(pods: Lab, guest: Puppet) -> None:
    both = await pods.puppet(networks=("front", "back"))
    stranger = pods.interface("back")
    hidden = pods.boot_text(
        '(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))',
        networks=("back",),
    )
    assert await guest.try_open_net(f"tcp/connect/{hidden.address}/80") is Errno.NETUNREACH
    assert await both.try_open_net(f"tcp/connect/{hidden.address}/80") is Errno.CONNREFUSED
    nobody = f"tcp/connect/{stranger.address}/80"
    assert await both.try_open_net(nobody) is Errno.HOSTUNREACH
    assert await guest.try_open_net("tcp/connect/192.168.7.7/80") is Errno.HOSTUNREACH
    assert await guest.try_open_net(f"tcp/connect/{BACK_GATEWAY}/80") is Errno.NETUNREACH
    assert await guest.try_open_net(f"tcp/connect/{FRONT_GATEWAY}/80") is Errno.CONNREFUSED


@TWICE
async def test_the_source_address_is_that_of_the_shared_network(pods: Lab) -> None:
    both = await pods.puppet(networks=("front", "back"))
    server = await pods.puppet(networks=("front", "back"))
    listener = await server.listen()
    _, port = await server.local(listener)
    assert server.guest.pod is not None
    addresses = [str(interface.address) for interface in server.guest.pod.spec.interfaces]
    for address, network in zip(addresses, ("10.10.", "10.20."), strict=True):
        near = await both.connect(address, port)
        far = await server.accept(listener)
        assert (await both.local(near))[0].startswith(network)
        assert await server.local(far) == (address, port)
        assert await server.remote(far) == await both.local(near)
