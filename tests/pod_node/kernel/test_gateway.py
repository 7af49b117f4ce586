"""Connects and lookups that leave the deployment, with the test as the host that answers them."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from ipaddress import IPv4Address

import pytest

from pod_node.engine.gateway import FabricGateway
from pod_node.spec import Limits
from tests.support.lab import Lab, eventually, lab
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from vnet.gateway import OutsideConnect, OutsideLookup

OUTSIDE = "192.0.2.7"


class Host:
    """A gateway under the test's control."""

    def __init__(self, pods: Lab) -> None:
        self.pods = pods
        self.switch = FabricGateway(pods.runtime.fabric)
        self.descriptor = self.switch.open_gateway()

    def close(self) -> None:
        self.switch.close_gateway(self.descriptor)

    async def connect(self) -> OutsideConnect:
        taken: list[OutsideConnect | None] = []

        def arrived() -> bool:
            taken.append(self.switch.take_connect())
            return taken[-1] is not None

        await eventually(arrived)
        assert taken[-1] is not None
        return taken[-1]

    async def lookup(self) -> OutsideLookup:
        taken: list[OutsideLookup | None] = []

        def arrived() -> bool:
            taken.append(self.switch.take_lookup())
            return taken[-1] is not None

        await eventually(arrived)
        assert taken[-1] is not None
        return taken[-1]


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with lab() as pods:
        yield Host(pods)


def begin_open(puppet: Puppet, path: str) -> None:
    """Start to open a path below `/net`; `puppet.answer` tells how it went."""
    rights = 2**30 - 1
    at = 60_000
    puppet.start("path_open", puppet.net, 0, *puppet.path(path), 0, rights, rights, 0, at)


async def test_a_connect_waits_until_the_host_has_decided(host: Host) -> None:
    puppet = await host.pods.puppet()
    begin_open(puppet, f"tcp/connect/{OUTSIDE}/443")
    connect = await host.connect()
    assert (str(connect.source), str(connect.destination), connect.port) == (
        puppet.guest.address,
        OUTSIDE,
        443,
    )
    descriptor = host.switch.accept(connect.number)
    assert Errno(await puppet.answer()) is Errno.SUCCESS
    fd = await puppet.peek_u32(60_000)
    assert await puppet.remote(fd) == (OUTSIDE, 443)
    assert await puppet.local(fd) == (puppet.guest.address, connect.source_port)
    reader, writer = host.pods.runtime.endpoint.adopt(descriptor)
    assert writer.get_extra_info("peername") == (puppet.guest.address, connect.source_port)
    await puppet.write(fd, b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.write(b"pong")
    assert await puppet.read(fd) == b"pong"
    writer.close()
    assert await puppet.read(fd) == b""


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (errno.EACCES, Errno.ACCES),
        (errno.ECONNREFUSED, Errno.CONNREFUSED),
        (errno.ETIMEDOUT, Errno.TIMEDOUT),
        (errno.EHOSTUNREACH, Errno.HOSTUNREACH),
    ],
)
async def test_a_refusal_is_the_errno_that_the_host_says(
    host: Host, error: int, seen: Errno
) -> None:
    puppet = await host.pods.puppet()
    begin_open(puppet, f"tcp/connect/{OUTSIDE}/80")
    host.switch.refuse((await host.connect()).number, error)
    assert Errno(await puppet.answer()) is seen


async def test_a_nonblocking_connect_is_in_progress_until_then(host: Host) -> None:
    puppet = await host.pods.puppet()
    first = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    second = await puppet.connect(OUTSIDE, 81, FdFlag.NONBLOCK)
    assert await puppet.try_read(first) is Errno.AGAIN
    socket = await puppet.socket_id(first)
    assert await puppet.try_command(f"connect {socket} {OUTSIDE} 80") is Errno.ALREADY
    host.switch.refuse((await host.connect()).number, errno.ECONNREFUSED)
    assert await puppet.ask(f"sock/{socket}/error") == f"{Errno.CONNREFUSED}\n"
    host.switch.accept((await host.connect()).number)
    assert await puppet.ask(f"sock/{await puppet.socket_id(second)}/error") == "0\n"
    assert await puppet.write(second, b"x") == 1


async def test_only_addresses_outside_every_network_go_to_the_host(host: Host) -> None:
    puppet = await host.pods.puppet()
    assert await puppet.try_open_net("tcp/connect/10.10.200.1/80") is Errno.HOSTUNREACH
    other = await host.pods.puppet(networks=("front", "back"))
    back = (await other.ask("interfaces")).splitlines()[2].split()[1].partition("/")[0]
    assert await puppet.try_open_net(f"tcp/connect/{back}/80") is Errno.NETUNREACH
    assert await puppet.try_open_net("tcp/connect/127.0.0.1/80") is Errno.CONNREFUSED
    assert host.switch.take_connect() is None


async def test_without_a_host_that_serves_there_is_no_way_out(host: Host) -> None:
    puppet = await host.pods.puppet()
    waiting = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    taken = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    number = (await host.connect()).number
    host.close()
    for fd in (waiting, taken):
        text = await puppet.ask(f"sock/{await puppet.socket_id(fd)}/error")
        assert text == f"{Errno.NETUNREACH}\n"
    assert await puppet.try_open_net(f"tcp/connect/{OUTSIDE}/80") in (
        Errno.NETUNREACH,
        Errno.HOSTUNREACH,
    )
    assert await puppet.try_open_net("dns/api.example.com") is Errno.NOENT
    host.switch.refuse(number, errno.EACCES)
    with pytest.raises(FileNotFoundError):
        host.switch.accept(number)


async def test_there_is_one_gateway(host: Host) -> None:
    with pytest.raises(OSError, match="in use"):
        host.switch.open_gateway()


async def test_clients_that_go_are_withdrawn(host: Host) -> None:
    puppet = await host.pods.puppet()
    _, sockets = host.pods.statistics()
    first = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    second = await puppet.connect(OUTSIDE, 81, FdFlag.NONBLOCK)
    third = await puppet.connect(OUTSIDE, 82, FdFlag.NONBLOCK)
    numbers = [(await host.connect()).number for _ in range(2)]
    assert host.switch.withdrawn(numbers) == []
    await puppet.close(second)
    await puppet.close(third)
    assert host.switch.withdrawn(numbers) == numbers[1:]
    assert host.switch.take_connect() is None
    with pytest.raises(FileNotFoundError):
        host.switch.accept(numbers[1])
    await puppet.close(first)
    assert host.pods.statistics()[1] == sockets


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("path", [f"tcp/connect/{OUTSIDE}/80", "dns/api.example.com"])
async def test_a_killed_pod_leaves_no_request(host: Host, path: str, taken: bool) -> None:
    async def die_waiting() -> None:
        puppet = await host.pods.puppet()
        begin_open(puppet, path)
        await eventually(lambda: fabric.watch(host.descriptor, writing=False))
        if taken:
            number = (await (host.connect() if "tcp" in path else host.lookup())).number
        await puppet.kill()
        if taken:
            host.switch.withdrawn([number])
            host.switch.refuse(number, errno.EACCES)
            host.switch.answer(number, [IPv4Address(OUTSIDE)])
        puppet.hang_up()
        await puppet.hung_up()

    fabric = host.pods.runtime.fabric
    await die_waiting()
    before = host.pods.statistics()
    await die_waiting()
    assert host.pods.statistics() == before
    assert fabric.watch(host.descriptor, writing=False) is False


async def test_a_pod_has_only_so_many_connects_waiting(host: Host) -> None:
    puppet = await host.pods.puppet(limits=Limits(sockets=2000))
    for _ in range(1024):
        await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    assert await puppet.try_open_net(f"tcp/connect/{OUTSIDE}/80", FdFlag.NONBLOCK) is Errno.NOBUFS
    other = await host.pods.puppet()
    await other.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    await puppet.kill()
    assert str((await host.connect()).source) == other.guest.address


async def test_a_pod_that_cannot_pay_for_a_connection_is_told(host: Host) -> None:
    puppet = await host.pods.puppet(limits=Limits(sockets=3))
    await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    assert await puppet.try_open_net(f"tcp/connect/{OUTSIDE}/80") is Errno.NOBUFS


async def test_names_that_nobody_has_are_asked_of_the_host(host: Host) -> None:
    puppet = await host.pods.puppet()
    host.pods.publish({"api": ["10.10.0.9"]})
    assert await puppet.ask("dns/api") == "10.10.0.9\n"
    begin_open(puppet, "dns/api.example.com")
    lookup = await host.lookup()
    assert (str(lookup.source), lookup.name) == (puppet.guest.address, "api.example.com")
    host.switch.answer(lookup.number, [IPv4Address("198.18.0.1"), IPv4Address("198.18.0.2")])
    assert Errno(await puppet.answer()) is Errno.SUCCESS
    fd = await puppet.peek_u32(60_000)
    assert await puppet.read(fd) == b"198.18.0.1\n198.18.0.2\n"
    begin_open(puppet, "dns/nobody")
    host.switch.answer((await host.lookup()).number, [])
    assert Errno(await puppet.answer()) is Errno.NOENT


async def test_long_names_reach_the_host_whole(host: Host) -> None:
    puppet = await host.pods.puppet()
    name = ".".join(["a" * 62] * 4)
    begin_open(puppet, f"dns/{name}")
    lookup = await host.lookup()
    assert lookup.name == name
    host.switch.answer(lookup.number, [])
    assert Errno(await puppet.answer()) is Errno.NOENT


async def test_one_descriptor_tells_of_everything(host: Host) -> None:
    fabric = host.pods.runtime.fabric
    puppet = await host.pods.puppet()
    assert fabric.watch(host.descriptor, writing=False) is False
    fd = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    assert fabric.watch(host.descriptor, writing=False) is True
    number = (await host.connect()).number
    assert fabric.watch(host.descriptor, writing=False) is False
    await puppet.close(fd)
    assert fabric.watch(host.descriptor, writing=False) is True
    assert host.switch.withdrawn([number]) == [number]
    assert fabric.watch(host.descriptor, writing=False) is False


async def test_resetting_is_seen_as_a_reset(host: Host) -> None:
    puppet = await host.pods.puppet()
    fd = await puppet.connect(OUTSIDE, 80, FdFlag.NONBLOCK)
    descriptor = host.switch.accept((await host.connect()).number)
    host.pods.runtime.fabric.reset_on_close(descriptor)
    host.pods.runtime.fabric.close(descriptor)
    assert await puppet.try_read(fd) is Errno.CONNRESET
