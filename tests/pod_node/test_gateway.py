"""Pods that leave the deployment, to real servers on this machine's loopback.

Loopback is in the deny set, so what may reach it has a rule that names it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, ip_address

import dns.message
import dns.rcode
import pytest

from tests.support.lab import FRONT_GATEWAY, Lab, eventually, lab
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from vnet.configuration import (
    AddressBlock,
    Direction,
    Egress,
    EgressLimits,
    Group,
    NetworkConfiguration,
    Policy,
    PolicyRule,
)
from vnet.egress import Decision, EgressAttempt, EgressEnded, EgressHappening, Ending
from vnet.gateway import parse_rule
from vnet.gateway.dial import Address

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@dataclass
class World:
    """Names outside, and what the gateway reports."""

    names: dict[str, list[Address]] = field(default_factory=dict)
    reports: list[EgressHappening] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def resolve(self, name: str) -> list[Address]:
        self.asked.append(name)
        if name not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[name]

    def attempts(self) -> list[tuple[str, int, Decision]]:
        return [
            (one.target, one.port, one.decision)
            for one in self.reports
            if isinstance(one, EgressAttempt)
        ]

    def endings(self) -> list[EgressEnded]:
        return [one for one in self.reports if isinstance(one, EgressEnded)]

    async def ended(self, count: int = 1) -> EgressEnded:
        await eventually(lambda: len(self.endings()) >= count)
        return self.endings()[count - 1]


class Outside:
    """A lab with a way out."""

    def __init__(self, pods: Lab, world: World) -> None:
        self.pods, self.world = pods, world
        pods.runtime.report_egress(world.reports.append)

    def allow(
        self, *rules: str, connections: int | None = None, transfer_bytes: int | None = None
    ) -> None:
        egress = Egress(
            service="guest",
            rules=tuple(parse_rule(rule) for rule in rules),
            limits=EgressLimits(connections=connections, transfer_bytes=transfer_bytes),
        )
        configuration = NetworkConfiguration(gateway=True, egress=(egress,))
        self.pods.runtime.configure_network(configuration)

    def isolate(self, puppet: Puppet, *blocks: str) -> None:
        """Let a pod speak to these blocks only, whatever egress rules allow."""
        egress = tuple(parse_rule(f"{host}:1-65535") for host in ("*", "127.0.0.0/8"))
        group = Group(
            name="guest@front", network="front", interfaces=(IPv4Address(puppet.guest.address),)
        )
        rules = tuple(
            PolicyRule(blocks=(AddressBlock(block=IPv4Network(block)),)) for block in blocks
        )
        policy = Policy(
            name="policies[0]", groups=(group.name,), direction=Direction.EGRESS, rules=rules
        )
        self.pods.runtime.configure_network(
            NetworkConfiguration(
                gateway=True,
                egress=(Egress(service="guest", rules=egress),),
                groups=(group,),
                policies=(policy,),
            )
        )


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    world = World({"api.example.com": [ip_address("127.0.0.1")]})
    async with lab(resolve=world.resolve) as pods:
        yield Outside(pods, world)


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        result = served(reader, writer)
        if asyncio.iscoroutine(result):
            await result

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def closed_port() -> int:
    async with serving(echo) as port:
        return port


async def test_a_pod_reaches_a_name_that_a_rule_allows(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow(f"api.example.com:{port}", f"127.0.0.1:{port}")
        puppet = await outside.pods.puppet()
        fd = await puppet.connect("api.example.com", port)
        assert (await puppet.remote(fd))[0].startswith("198.18.")
        await puppet.write(fd, b"hello")
        assert await puppet.read(fd) == b"hello"
        await puppet.checked("sock_shutdown", fd, 2)
        assert await puppet.read(fd) == b""
        ended = await outside.world.ended()
    assert outside.world.asked == ["api.example.com"]
    attempt = outside.world.reports[0]
    assert isinstance(attempt, EgressAttempt)
    assert (attempt.pod, attempt.service, attempt.target, attempt.port, attempt.decision) == (
        puppet.guest.name,
        "guest",
        "api.example.com",
        port,
        Decision.ALLOWED,
    )
    assert (attempt.rule, attempt.address) == (f"127.0.0.1:{port}", "127.0.0.1")
    assert ended.number == attempt.number
    assert (ended.ending, ended.sent_bytes, ended.received_bytes) == (Ending.CLOSED, 5, 5)


async def test_a_pod_reaches_an_address_that_a_rule_allows(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow(f"127.0.0.0/8:{port}")
        puppet = await outside.pods.puppet()
        outside.world.names["x"] = [ip_address("127.0.0.1")]
        assert await puppet.try_open_net(f"tcp/connect/192.0.2.1/{port}") is Errno.ACCES
        assert await puppet.try_open_net("dns/x") is Errno.NOENT
    assert outside.world.attempts() == [
        ("192.0.2.1", port, Decision.DENIED),
        ("x", 0, Decision.DENIED),
    ]


async def test_a_name_that_leads_into_the_deny_set_stays_denied(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow("*:*", "0.0.0.0/0:*")
        puppet = await outside.pods.puppet()
        assert await puppet.try_open_net(f"tcp/connect/api.example.com/{port}") is Errno.ACCES
    (attempt,) = outside.world.reports
    assert isinstance(attempt, EgressAttempt)
    assert attempt.decision is Decision.DENIED
    assert "127.0.0.1 is loopback" in attempt.reason


async def test_policies_hold_for_names_outside(outside: Outside) -> None:
    outside.world.names["api.example.com"] = [ip_address("::1"), ip_address("127.9.9.9")]
    path = f"tcp/connect/api.example.com/{await closed_port()}"
    puppet = await outside.pods.puppet()
    outside.isolate(puppet, "192.0.2.0/24")
    assert await puppet.try_open_net(path) is Errno.ACCES
    (policy,) = outside.pods.runtime.network_statistics(flows=False).policies
    assert (policy.denied, policy.allowed) == (1, (0,))
    outside.isolate(puppet, "127.0.0.0/8")
    assert await puppet.try_open_net(path) is Errno.CONNREFUSED
    (policy,) = outside.pods.runtime.network_statistics(flows=False).policies
    assert (policy.denied, policy.allowed) == (0, (1,))
    decisions = [decision for *_, decision in outside.world.attempts()]
    assert decisions == [Decision.DENIED, Decision.FAILED]


async def test_policies_hold_for_addresses_outside(outside: Outside) -> None:
    puppet = await outside.pods.puppet()
    outside.isolate(puppet, "192.0.2.0/24")
    assert await puppet.try_open_net("tcp/connect/203.0.113.7/80") is Errno.CONNREFUSED
    assert outside.world.attempts() == [], "the gateway was not asked"


async def test_what_cannot_be_reached_fails_as_it_would_on_linux(outside: Outside) -> None:
    port = await closed_port()
    outside.allow("*:*", "127.0.0.0/8:*")
    puppet = await outside.pods.puppet()
    assert await puppet.try_open_net(f"tcp/connect/api.example.com/{port}") is Errno.CONNREFUSED
    assert await puppet.try_open_net("tcp/connect/nobody.example.com/80") is Errno.HOSTUNREACH
    assert outside.world.attempts() == [
        ("api.example.com", port, Decision.FAILED),
        ("nobody.example.com", 80, Decision.FAILED),
    ]


async def test_the_next_address_is_tried(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow("*:*", "127.0.0.0/8:*")
        outside.world.names["twice.example.com"] = [
            ip_address("127.0.0.2"),
            ip_address("10.0.0.1"),
            ip_address("127.0.0.1"),
        ]
        puppet = await outside.pods.puppet()
        await puppet.connect("twice.example.com", port)
    attempt = outside.world.reports[0]
    assert isinstance(attempt, EgressAttempt)
    assert attempt.address == "127.0.0.1"


async def test_a_server_that_resets_is_seen_to_reset(outside: Outside) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(reset) as port:
        outside.allow("*:*", "127.0.0.0/8:*")
        puppet = await outside.pods.puppet()
        fd = await puppet.connect("api.example.com", port)
        await puppet.write(fd, b"x")
        assert await puppet.try_read(fd) is Errno.CONNRESET
    assert (await outside.world.ended()).ending is Ending.RESET


async def test_a_pod_that_is_killed_takes_its_connections_along(outside: Outside) -> None:
    ends: asyncio.Queue[str] = asyncio.Queue()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(bytes(65536))
                await writer.drain()
        except ConnectionError as error:
            ends.put_nowait(type(error).__name__)

    async with serving(flood) as port:
        outside.allow("*:*", "127.0.0.0/8:*")
        warm = await outside.pods.puppet()
        before = outside.pods.statistics()
        puppet = await outside.pods.puppet()
        fd = await puppet.connect("api.example.com", port)
        assert await puppet.read_exactly(fd, 100_000) == bytes(100_000)
        await puppet.kill()
        assert "Connection" in await ends.get()
        ended = await outside.world.ended()
        assert ended.ending is Ending.POD_GONE
        assert ended.received_bytes >= 100_000
        puppet.hang_up()
        await puppet.hung_up()
        await eventually(lambda: outside.pods.statistics() == before)
        await warm.kill()


async def test_a_pod_that_gives_up_is_dialled_for_no_longer() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def never(name: str) -> list[Address]:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return []

    async with lab(resolve=never) as pods:
        Outside(pods, World()).allow("*:*", connections=1)
        puppet = await pods.puppet()
        fd = await puppet.connect("api.example.com", 80, FdFlag.NONBLOCK)
        await started.wait()
        assert await puppet.try_open_net("tcp/connect/api.example.com/80") is Errno.ACCES
        await puppet.close(fd)
        await cancelled.wait()
        started.clear()
        await puppet.connect("api.example.com", 80, FdFlag.NONBLOCK)
        await started.wait()
        cancelled.clear()
        await puppet.kill()
        await cancelled.wait()


async def test_connections_at_once_are_limited(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow("*:*", "127.0.0.0/8:*", connections=2)
        puppet = await outside.pods.puppet()
        fds = [await puppet.connect("api.example.com", port) for _ in range(2)]
        path = f"tcp/connect/api.example.com/{port}"
        assert await puppet.try_open_net(path) is Errno.ACCES
        await puppet.close(fds[0])
        await outside.world.ended()
        await puppet.connect("api.example.com", port)
    assert [decision for *_, decision in outside.world.attempts()] == [
        Decision.ALLOWED,
        Decision.ALLOWED,
        Decision.DENIED,
        Decision.ALLOWED,
    ]


async def test_bytes_past_the_limit_cut_the_connection(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow("*:*", "127.0.0.0/8:*", transfer_bytes=30_000)
        puppet = await outside.pods.puppet()
        fd = await puppet.connect("api.example.com", port)
        await puppet.write(fd, bytes(10_000))
        assert len(await puppet.read_exactly(fd, 10_000)) == 10_000
        await puppet.write(fd, bytes(10_000))
        ended = await outside.world.ended()
        assert ended.ending is Ending.LIMIT
        while (error := await puppet.try_read(fd)) is Errno.SUCCESS:
            pass
        assert error is Errno.CONNRESET
        path = f"tcp/connect/api.example.com/{port}"
        assert await puppet.try_open_net(path) is Errno.ACCES


async def test_closing_the_way_out_resets_what_stands(outside: Outside) -> None:
    async with serving(echo) as port:
        outside.allow("*:*", "127.0.0.0/8:*")
        puppet = await outside.pods.puppet()
        fd = await puppet.connect("api.example.com", port)
        outside.pods.runtime.configure_network(NetworkConfiguration())
        assert await puppet.try_read(fd) is Errno.CONNRESET
        assert await puppet.try_open_net("dns/api.example.com") is Errno.NOENT
        outside.allow("*:*", "127.0.0.0/8:*")
        await puppet.connect("api.example.com", port)


async def query(puppet: Puppet, message: bytes, server: str = FRONT_GATEWAY) -> bytes:
    """Ask a network's name server over TCP."""
    fd = await puppet.connect(server, 53)
    await puppet.write(fd, len(message).to_bytes(2, "big") + message)
    size = int.from_bytes(await puppet.read_exactly(fd, 2), "big")
    answer = await puppet.read_exactly(fd, size)
    await puppet.close(fd)
    return answer


async def test_pods_ask_the_name_server_of_their_network(outside: Outside) -> None:
    outside.allow("*.example.com:80")
    outside.pods.publish({"api": ["10.10.0.77"]}, "front")
    outside.pods.publish({"db": ["10.20.0.77"]}, "back")
    puppet = await outside.pods.puppet()
    both = await outside.pods.puppet(networks=("front", "back"))

    async def ask(who: Puppet, name: str) -> tuple[dns.rcode.Rcode, list[str]]:
        answer = dns.message.from_wire(
            await query(who, dns.message.make_query(name, "A").to_wire())
        )
        found = [record.to_text() for rrset in answer.answer for record in rrset]
        return answer.rcode(), found

    assert await ask(puppet, "api") == (dns.rcode.NOERROR, ["10.10.0.77"])
    assert await ask(puppet, "db") == (dns.rcode.NXDOMAIN, [])
    assert await ask(both, "db") == (dns.rcode.NOERROR, ["10.20.0.77"])
    rcode, (stand_in,) = await ask(puppet, "www.example.com")
    assert (rcode, IPv4Address(stand_in).is_private) == (dns.rcode.NOERROR, True)
    assert await ask(puppet, "www.example.net") == (dns.rcode.NXDOMAIN, [])
    assert await puppet.ask("dns/www.example.com") == f"{stand_in}\n"


async def test_garbage_ends_no_name_server(outside: Outside) -> None:
    puppet = await outside.pods.puppet()
    outside.pods.publish({"api": ["10.10.0.77"]}, "front")
    for garbage in (b"\0\0", b"\0\1x", b"\0\x0c" + bytes(12), b"\xff\xff" + bytes(70), b"\0"):
        fd = await puppet.connect(FRONT_GATEWAY, 53)
        await puppet.write(fd, garbage)
        await puppet.close(fd)
    answer = await query(puppet, dns.message.make_query("api", "A").to_wire())
    assert dns.message.from_wire(answer).answer
