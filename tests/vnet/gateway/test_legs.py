"""Splicing, over real sockets on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from vnet.egress import Ending
from vnet.gateway.legs import HALF_CLOSED_S, Leg, Splice

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Bench:
    """A splice at work, and the far ends of its legs."""

    pod: Streams
    server: Streams
    splice: Splice
    running: asyncio.Task[Ending]


async def tcp_pair() -> tuple[Streams, Streams]:
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(
        lambda reader, writer: accepted.set_result((reader, writer)), "127.0.0.1", 0
    )
    near = await asyncio.open_connection(*server.sockets[0].getsockname())
    far = await accepted
    server.close()
    return near, far


@asynccontextmanager
async def spliced(
    limit: int | None = None, half_closed_s: float = HALF_CLOSED_S
) -> AsyncIterator[Bench]:
    moved = 0

    def count(size: int) -> bool:
        nonlocal moved
        moved += size
        return limit is None or moved < limit

    pod, inside = await tcp_pair()
    outside, server = await tcp_pair()
    splice = Splice(Leg(*inside), Leg(*outside), count, half_closed_s)
    running = asyncio.get_running_loop().create_task(splice.run())
    yield Bench(pod, server, splice, running)
    running.cancel()
    await asyncio.wait([running])
    for _, writer in (pod, server, inside, outside):
        writer.close()


async def test_bytes_pass_and_each_direction_ends_by_itself() -> None:
    async with spliced() as bench:
        (pod_reader, pod_writer), (server_reader, server_writer) = bench.pod, bench.server
        pod_writer.write(b"request")
        pod_writer.write_eof()
        assert await server_reader.read() == b"request"
        server_writer.write(b"answer")
        server_writer.write_eof()
        assert await pod_reader.read() == b"answer"
        assert await bench.running is Ending.CLOSED
        assert (bench.splice.sent_bytes, bench.splice.received_bytes) == (7, 6)


async def test_a_slow_reader_holds_the_sender_back() -> None:
    async with spliced() as bench:
        (pod_reader, _), (_, server_writer) = bench.pod, bench.server
        size = 64 << 20

        async def send() -> None:
            for _ in range(size >> 20):
                server_writer.write(bytes(1 << 20))
                await server_writer.drain()
            server_writer.write_eof()

        sending = asyncio.get_running_loop().create_task(send())
        await asyncio.wait([sending], timeout=0.2)
        assert not sending.done()
        assert bench.splice.received_bytes < size // 2
        received = 0
        while part := await pod_reader.read(1 << 20):
            received += len(part)
        await sending
        assert received == size


@pytest.mark.parametrize("breaker", ["pod", "server"])
async def test_a_reset_on_one_side_is_one_on_the_other(breaker: str) -> None:
    async with spliced() as bench:
        breaking, hearing = bench.pod, bench.server
        if breaker == "server":
            breaking, hearing = hearing, breaking
        Leg(*breaking).reset()
        with pytest.raises(ConnectionResetError):
            await hearing[0].read()
        assert await bench.running is Ending.RESET


async def test_a_limit_resets_both_sides() -> None:
    async with spliced(limit=10) as bench:
        bench.pod[1].write(bytes(10))
        assert await bench.running is Ending.LIMIT
        with pytest.raises(ConnectionResetError):
            await bench.pod[0].read()


async def test_silence_after_one_end_is_not_waited_for_long() -> None:
    async with spliced(half_closed_s=0.01) as bench:
        bench.pod[1].write_eof()
        assert await bench.server[0].read() == b""
        assert await bench.running is Ending.IDLE
        with pytest.raises(ConnectionResetError):
            await bench.pod[0].read()


async def test_cancelling_resets_both_sides() -> None:
    async with spliced() as bench:
        bench.pod[1].write(b"x")
        assert await bench.server[0].readexactly(1) == b"x"
        bench.running.cancel()
        for reader, _ in (bench.pod, bench.server):
            with pytest.raises(ConnectionResetError):
                await reader.read()
