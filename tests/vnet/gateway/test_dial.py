"""Dialling real sockets on this machine's loopback."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnet.gateway import MachineResolver
from vnet.gateway.dial import Address, dial, interleave, is_own

HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")


def listener(address: Address = HERE, port: int = 0) -> socket.socket:
    return socket.create_server((str(address), port), backlog=8)


async def test_the_first_address_that_answers_is_taken() -> None:
    with listener() as server:
        port = server.getsockname()[1]
        address, connected = await dial([THERE, HERE], port)
        with connected:
            assert (address, connected.getpeername()) == (HERE, ("127.0.0.1", port))


async def test_a_silent_address_does_not_hold_up_the_next() -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        fill = [socket.socket() for _ in range(8)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))  # beyond the backlog, SYNs are dropped
        with listener(HERE, port):
            address, connected = await dial([THERE, HERE], port, stagger_s=0.01)
        assert address == HERE
        for one in (*fill, connected):
            one.close()


async def test_when_none_can_be_reached_a_refusal_says_most() -> None:
    with listener() as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await dial([IPv6Address("100::1"), HERE], port)


async def test_dialling_can_be_cancelled() -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        fill = [socket.socket() for _ in range(8)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await dial([THERE], port)
        for one in fill:
            one.close()


async def test_the_machines_resolver_gives_addresses_or_an_error() -> None:
    resolver = MachineResolver()
    assert HERE in await resolver("localhost")
    with pytest.raises(OSError, match=r".") as failure:
        await resolver("nobody.invalid")
    assert failure.value.errno != errno.ECONNREFUSED
    resolver.close()


@pytest.mark.parametrize(
    ("text", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("192.0.2.1", False), ("8.8.8.8", False)],
)
def test_the_machine_knows_its_own_addresses(text: str, own: bool) -> None:
    assert is_own(ip_address(text)) is own


@given(st.lists(st.ip_addresses(), min_size=1, unique=True))
def test_families_alternate_and_nothing_is_lost(addresses: list[Address]) -> None:
    order = list(interleave(addresses))
    assert sorted(map(str, order)) == sorted(map(str, addresses))
    assert order[0] == addresses[0]
    families = [one.version for one in order]
    shorter = min(families.count(4), families.count(6))
    assert all(families[i] != families[i + 1] for i in range(2 * shorter - 1))
