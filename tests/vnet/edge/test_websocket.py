"""Switching to WebSocket, and the raw tunnel behind it."""

from __future__ import annotations

import asyncio

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.vnet.edge.rig import FakeClock, running
from vnet.edge import PortalLimits

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
ASK = (b"GET /ws HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket")


async def test_a_real_websocket_server_echoes_through_the_portal() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as backend, running() as rig:
        rig.portal.set_backends([next(iter(backend.sockets)).getsockname()[:2]])
        uri = f"ws://{rig.portal.hostname}:{rig.server.port}/"
        async with connect(uri, host="127.0.0.1", proxy=None) as client:
            for message in ("text", b"\0bytes", "x" * 500_000):
                await client.send(message)
                assert await client.recv() == message
        assert rig.portal.counters.websockets == 1


async def test_a_refused_switch_is_an_ordinary_answer() -> None:
    def refuse(connection: ServerConnection, _: object) -> websockets.Response:
        return connection.respond(403, "no\n")

    async def never(_: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as backend, running() as rig:
        rig.portal.set_backends([next(iter(backend.sockets)).getsockname()[:2]])
        uri = f"ws://{rig.portal.hostname}:{rig.server.port}/"
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await connect(uri, host="127.0.0.1", proxy=None)


async def test_bytes_sent_along_with_either_head_reach_the_other_side() -> None:
    async def serve_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH + b"early")
        assert await reader.readexactly(5) == b"eager"
        writer.write(b"done")

    async with running(serve_raw) as rig:
        answer = await rig.fetch(rig.head(*ASK) + b"eager")
        assert answer.endswith(b"\r\n\r\nearlydone")


@pytest.mark.parametrize("client_first", [True, False])
async def test_either_side_may_close_its_half_first(client_first: bool) -> None:
    async def serve_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH)
        if client_first:
            assert await reader.read() == b"upward"
            writer.write(b"downward")
        else:
            writer.write(b"downward")
            writer.write_eof()
            assert await reader.read() == b"upward"

    async with running(serve_raw) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(*ASK))
        await reader.readuntil(b"\r\n\r\n")
        if client_first:
            writer.write(b"upward")
            writer.write_eof()
            assert await reader.read() == b"downward"
        else:
            assert await reader.read() == b"downward"
            writer.write(b"upward")
        writer.close()
        await rig.replica.closed.wait()
        assert bytes(rig.replica.received[0]).endswith(b"upward")


@pytest.mark.parametrize("client_dies", [True, False])
async def test_the_death_of_one_side_ends_the_other(client_dies: bool) -> None:
    die = asyncio.Event()

    async def serve_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH)
        if client_dies:
            await reader.read()
        else:
            await die.wait()
            writer.transport.abort()

    async with running(serve_raw) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(*ASK))
        await reader.readuntil(b"\r\n\r\n")
        if client_dies:
            writer.transport.abort()
        else:
            die.set()
            assert await reader.read() == b""
        writer.close()
        await rig.replica.closed.wait()


async def test_a_half_closed_tunnel_does_not_last_for_ever() -> None:
    clock = FakeClock()

    async def serve_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH)
        await reader.read()
        clock.now += 61
        await rig_stopped.wait()

    rig_stopped = asyncio.Event()
    async with running(serve_raw, clock=clock, limits=PortalLimits(sweep_s=0.01)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(*ASK))
        await reader.readuntil(b"\r\n\r\n")
        writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        rig_stopped.set()
