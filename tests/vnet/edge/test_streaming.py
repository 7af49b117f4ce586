"""Bodies of any size, at the pace of the slower side, and what happens when a side goes away."""

from __future__ import annotations

import asyncio
import hashlib
import socket

import pytest

from tests.vnet.edge.rig import HELLO, FakeClock, Rig, reset, running, until
from vnet.edge import PortalLimits

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = 64 * 1024 * 1024
BLOCK = bytes(range(256)) * 1024
BOUND = 24 * 1024 * 1024
"""More than the portal's buffers (under 1 MiB) and what Linux grants the four sockets at most."""


async def _until_stuck(sock: socket.socket) -> int:
    """Send until the other side has taken nothing for many turns of the loop; return the bytes."""
    sent = refusals = 0
    while refusals < 500 and sent < BIG * 4:
        try:
            sent += sock.send(BLOCK)
            refusals = 0
        except BlockingIOError:
            refusals += 1
            await asyncio.sleep(0)
    return sent


async def _raw_client(rig: Rig) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", rig.server.port))
    return client


async def test_the_first_chunk_arrives_before_the_last_is_produced() -> None:
    first_seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"5\r\nfirst\r\n")
        await first_seen.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        await reader.read()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await reader.readuntil(b"first")
        first_seen.set()
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"4\r\nlast\r\n0\r\n\r\n")
        writer.close()


async def test_the_first_upload_chunk_arrives_before_the_last_is_produced() -> None:
    first_seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first")
        first_seen.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(HELLO)
        await reader.read()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"))
        writer.write(b"5\r\nfirst\r\n")
        await first_seen.wait()
        writer.write(b"0\r\n\r\n")
        await reader.readuntil(b"hello")
        writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: %d" % (BIG * 8), b"X: y"])
async def test_a_client_that_does_not_read_stops_the_replica(framing: bytes) -> None:
    sent = asyncio.get_running_loop().create_future()
    drained = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        await writer.drain()
        raw = writer.get_extra_info("socket")
        copy = socket.fromfd(raw.fileno(), raw.family, raw.type)
        with copy:
            sent.set_result(await _until_stuck(copy))
        await drained.wait()

    async with running(serve) as rig:
        client = await _raw_client(rig)
        with client:
            await asyncio.get_running_loop().sock_sendall(client, rig.head())
            assert 0 < await sent < BOUND
        drained.set()


async def test_a_replica_that_does_not_read_stops_the_client() -> None:
    finish = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await finish.wait()

    async with running(serve) as rig:
        client = await _raw_client(rig)
        with client:
            head = rig.head(b"POST / HTTP/1.1", b"Content-Length: %d" % (BIG * 8))
            await asyncio.get_running_loop().sock_sendall(client, head)
            assert 0 < await _until_stuck(client) < BOUND
        finish.set()


async def test_a_replica_that_stops_reading_does_not_hold_its_client_for_ever() -> None:
    clock = FakeClock()
    never = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await never.wait()

    async with running(serve, clock=clock, limits=PortalLimits(sweep_s=0.01)) as rig:
        client = await _raw_client(rig)
        with client:
            head = rig.head(b"POST / HTTP/1.1", b"Content-Length: %d" % (BIG * 8))
            await asyncio.get_running_loop().sock_sendall(client, head)
            await _until_stuck(client)
            clock.now += 301
            await until(lambda: not rig.server.statistics().connections)


async def test_sixty_four_megabytes_pass_both_ways_at_once() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        left = BIG
        while left:
            data = await reader.read(65536)
            assert data
            left -= len(data)
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    sent, received = hashlib.sha256(), hashlib.sha256()

    async def send(writer: asyncio.StreamWriter) -> None:
        for n in range(BIG // len(BLOCK)):
            block = n.to_bytes(4, "big") + BLOCK[4:]
            sent.update(block)
            writer.write(block)
            await writer.drain()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: %d" % BIG))
        async with asyncio.TaskGroup() as group:
            group.create_task(send(writer))
            await reader.readuntil(b"\r\n\r\n")
            while size := int(await reader.readuntil(b"\r\n"), 16):
                received.update(await reader.readexactly(size))
                await reader.readexactly(2)
        writer.close()
    assert received.digest() == sent.digest()


@pytest.mark.parametrize("head", [CHUNKED + b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello"])
async def test_a_client_that_leaves_during_the_answer_ends_the_replicas_work(head: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await reader.read()  # until the portal gives up

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await reader.readuntil(b"hello")
        reset(writer)
        await rig.replica.closed.wait()


async def test_a_client_that_closes_quietly_ends_the_replicas_work_after_a_grace() -> None:
    clock = FakeClock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await reader.read()

    async with running(serve, clock=clock, limits=PortalLimits(sweep_s=0.01)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await reader.readuntil(b"hello")
        writer.close()
        await until(lambda: all(client.eof for client in rig.server._sessions))
        clock.now += 11
        await rig.replica.closed.wait()


async def test_a_client_that_leaves_during_its_upload_ends_the_replicas_work() -> None:
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        arrived.set()
        await reader.read()

    async with running(serve) as rig:
        _, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 100") + b"hello")
        await arrived.wait()
        reset(writer)
        await rig.replica.closed.wait()
        assert bytes(rig.replica.received[0]).endswith(b"hello")


@pytest.mark.parametrize(
    "head",
    [
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"9\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_replica_that_dies_during_its_answer_cannot_pass_for_finished(
    head: bytes, version: bytes
) -> None:
    die = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await die.wait()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"GET / HTTP/" + version))
        await reader.readuntil(b"hello")
        die.set()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert rig.portal.counters.failures == 1


async def test_a_body_that_turns_bad_after_its_start_cuts_the_client_off() -> None:
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await go_on.wait()
        writer.write(b"zz\r\n")
        await reader.read()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await reader.readuntil(b"hello")
        go_on.set()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
