"""The host's datagram endpoints, as pods meet them."""

from __future__ import annotations

import asyncio
import errno

import pytest

from tests.support.datagrams import DatagramSocket
from tests.support.lab import BACK_GATEWAY, FRONT_GATEWAY, Lab, eventually
from tests.support.wasi import FdFlag

LARGEST = 65_507


class Recorder(asyncio.DatagramProtocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, tuple[str, int]]] = []
        self.errors: list[int] = []
        self.made: asyncio.BaseTransport | None = None
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        assert isinstance(exc, OSError)
        self.errors.append(exc.errno or 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def test_the_host_and_a_pod_exchange_datagrams(pods: Lab) -> None:
    recorder = Recorder()
    transport = pods.runtime.endpoint.open_datagrams(recorder, FRONT_GATEWAY, 7000)
    assert transport.get_extra_info("sockname") == (FRONT_GATEWAY, 7000)
    client = await DatagramSocket.connect(await pods.puppet(), FRONT_GATEWAY, 7000)
    for payload in (b"question", b"", bytes(LARGEST)):
        await client.guest.write(client.fd, payload)
    await eventually(lambda: len(recorder.received) == 3)
    assert [data for data, _ in recorder.received] == [b"question", b"", bytes(LARGEST)]
    assert {addr for _, addr in recorder.received} == {client.endpoint}
    assert recorder.made is transport
    transport.sendto(b"answer", client.endpoint)
    assert await client.guest.read(client.fd) == b"answer"
    transport.close()
    transport.close()
    await eventually(lambda: recorder.lost == [None])
    assert transport.is_closing()
    transport.sendto(b"too late", client.endpoint)


async def test_what_cannot_be_sent_is_told_the_protocol(pods: Lab) -> None:
    recorder = Recorder()
    transport = pods.runtime.endpoint.open_datagrams(recorder, FRONT_GATEWAY, 0)
    transport.sendto(bytes(LARGEST + 1), (FRONT_GATEWAY, 9))
    transport.sendto(bytes(4 << 20), (FRONT_GATEWAY, 9))
    transport.sendto(b"x", ("192.0.2.1", 9))
    assert recorder.errors == [errno.EMSGSIZE, errno.EMSGSIZE, errno.ENETUNREACH]
    with pytest.raises(ValueError, match="name the address"):
        transport.sendto(b"x")


async def test_an_endpoint_takes_its_port_or_says_why_not(pods: Lab) -> None:
    endpoint = pods.runtime.endpoint
    first = endpoint.open_datagrams(Recorder(), FRONT_GATEWAY, 7000)
    endpoint.open_datagrams(Recorder(), BACK_GATEWAY, 7000)
    with pytest.raises(OSError, match="in use"):
        endpoint.open_datagrams(Recorder(), FRONT_GATEWAY, 7000)
    with pytest.raises(OSError, match="assign"):
        endpoint.open_datagrams(Recorder(), "10.10.7.7", 7000)
    first.abort()
    endpoint.open_datagrams(Recorder(), FRONT_GATEWAY, 7000)


async def test_a_flood_leaves_the_loop_its_turns(pods: Lab) -> None:
    recorder = Recorder()
    transport = pods.runtime.endpoint.open_datagrams(recorder, FRONT_GATEWAY, 9000)
    flooder = await DatagramSocket.connect(await pods.puppet(), FRONT_GATEWAY, 9000)
    for _ in range(500):
        await flooder.guest.write(flooder.fd, b"x")
    quiet = await DatagramSocket.bind(await pods.puppet(), flags=FdFlag.NONBLOCK)
    await eventually(lambda: len(recorder.received) > 64)
    transport.close()
    assert await quiet.empty()


async def test_endpoints_close_with_the_fabric(pods: Lab) -> None:
    recorder = Recorder()
    pods.runtime.endpoint.open_datagrams(recorder, FRONT_GATEWAY, 9000)
    pods.runtime.endpoint.close()
    await eventually(lambda: recorder.lost == [None])
