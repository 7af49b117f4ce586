"""Listeners, deadlines, caps and the end of a portal server."""

from __future__ import annotations

import asyncio
import math
import socket
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.vnet.edge.rig import (
    HELLO,
    FakeClock,
    Rig,
    Stream,
    answering,
    read_answer,
    running,
    until,
)
from vnet.edge import PortalLimits, PortalServer, PortalTable, PortInUseError, PortNotAllowedError
from vnet.edge.client import ClientStream, Phase

QUICK = PortalLimits(sweep_s=0.01)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _accepted(rig: Rig, count: int) -> None:
    await until(lambda: rig.server.statistics().server.accepted >= count)


async def _until_buffered(rig: Rig) -> None:
    """Wait until the server has read the only client's bytes."""
    await until(lambda: any(client.buffer for client in rig.server._sessions))


def _waits_for_body(client: ClientStream) -> bool:
    return client.phase is Phase.EXCHANGE and client.read_deadline < math.inf


async def test_a_slow_head_gets_408() -> None:
    clock = FakeClock()
    async with running(answering(HELLO), clock=clock, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        await _until_buffered(rig)
        clock.now += 9
        writer.write(b" trickle")  # a later byte does not extend the time for the head
        clock.now += 2
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        assert rig.server.statistics().server.timeouts == 1
        writer.close()


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    clock = FakeClock()
    async with running(answering(HELLO), clock=clock, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await read_answer(reader)
        clock.now += 61
        assert await reader.read() == b""
        writer.close()


async def test_idle_replica_connections_are_closed_before_the_replica_does() -> None:
    clock = FakeClock()
    async with running(answering(HELLO), clock=clock, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await read_answer(reader)
        assert rig.server.statistics().idle_upstreams == 1
        clock.now += 5
        await rig.replica.closed.wait()
        assert rig.server.statistics().idle_upstreams == 0
        writer.close()


async def test_a_client_that_stops_sending_its_body_is_cut_off() -> None:
    clock = FakeClock()
    async with running(_silence, clock=clock, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 5"))
        await until(lambda: any(_waits_for_body(client) for client in rig.server._sessions))
        clock.now += 301
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await rig.replica.closed.wait()


async def test_a_client_that_goes_on_sending_after_the_last_answer_is_let_go() -> None:
    clock = FakeClock()
    async with running(clock=clock, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        assert rig.server.statistics().connections == 1
        clock.now += 3
        await until(lambda: not rig.server.statistics().connections)
        writer.close()


async def test_idle_connections_of_a_replica_are_bounded() -> None:
    limits = PortalLimits(upstream_idle_connections=2)
    waiting: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.append(writer)
        if len(waiting) == 4:
            for each in waiting:
                each.write(HELLO)
        await reader.read()

    async with running(serve, limits=limits) as rig:
        clients = [await rig.connect() for _ in range(4)]
        for _, writer in clients:
            writer.write(rig.head())
        for reader, writer in clients:
            await read_answer(reader)
            writer.close()
        assert rig.server.statistics().idle_upstreams == 2


async def test_a_portal_has_a_cap_on_its_connections() -> None:
    async with running(answering(HELLO), limits=PortalLimits(portal_connections=2)) as rig:
        clients: list[Stream] = []
        for expected in (200, 200, 503):
            reader, writer = await rig.connect()
            writer.write(rig.head())
            assert (await read_answer(reader))[0] == expected
            clients.append((reader, writer))
        clients[0][1].close()
        await until(lambda: rig.portal.counters.connections < 2)
        assert (await rig.fetch(rig.head(b"GET / HTTP/1.0"))).startswith(b"HTTP/1.1 200 ")
        for _, writer in clients:
            writer.close()


async def test_the_server_has_a_cap_on_its_connections() -> None:
    async with running(answering(HELLO), limits=PortalLimits(connections=1)) as rig:
        _, first = await rig.connect()
        await _accepted(rig, 1)
        reader, writer = await rig.connect()
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        first.close()
        writer.close()


async def test_a_closed_portal_cuts_off_those_inside() -> None:
    async with running(_silence, limits=QUICK) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        await until(lambda: rig.replica.accepted)
        rig.table.close(rig.portal)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await rig.replica.closed.wait()


async def test_stop_ends_every_task_and_connection() -> None:
    async with running(_silence) as rig:
        streams = [await rig.connect() for _ in range(3)]
        streams[0][1].write(rig.head())
        streams[1][1].write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 9"))
        await until(lambda: rig.replica.accepted == 2)
        await rig.server.stop()
        for reader, writer in streams:
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
        assert rig.server.statistics().connections == 0
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith(("portal", "upload", "tunnel"))]


async def test_nothing_ticks_while_nobody_is_connected() -> None:
    async with running(answering(HELLO), limits=PortalLimits(sweep_s=0.001)) as rig:
        await rig.fetch(rig.head(b"GET / HTTP/1.1", b"Connection: close"))
        rig.server._pool.clear()
        await until(lambda: rig.server._sweep is None)


async def test_a_pinned_port_serves_its_portal_under_localhost() -> None:
    async with running(answering(HELLO)) as rig:
        portal = rig.table.open("web", 8080, [rig.replica.backend], pinned=_free_port())
        await rig.server.pin(portal)
        assert rig.server.url(portal) == f"http://localhost:{portal.pinned}/"
        reader, writer = await asyncio.open_connection("127.0.0.1", portal.pinned)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (portal.pinned or 0))
        assert (await read_answer(reader))[0] == 200
        writer.write(rig.head())
        assert (await read_answer(reader))[0] == 421
        writer.close()
        rig.server.unpin(portal)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", portal.pinned)


async def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} .*choose another"):
            await PortalServer(PortalTable(), asyncio.open_connection).start(port=port)
        async with running() as rig:
            with pytest.raises(PortInUseError, match=str(port)):
                await rig.server.pin(rig.table.open("web", 80, pinned=port))


async def test_a_failed_start_leaves_no_listener() -> None:
    table, port = PortalTable(), _free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        table.open("web", 80, pinned=other.getsockname()[1])
        with pytest.raises(PortInUseError):
            await PortalServer(table, asyncio.open_connection).start(port=port)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("203.0.113.1", 9000)])
async def test_an_impossible_listener_is_refused_with_the_remedy(host: str, port: int) -> None:
    server = PortalServer(PortalTable(), asyncio.open_connection)
    with pytest.raises(PortNotAllowedError, match="choose a port"):
        await server.start(host, port)


async def test_the_standard_librarys_server_works_behind_a_portal() -> None:
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(sha256(body).digest())

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Echo) as backend:
        thread = Thread(target=backend.serve_forever)
        thread.start()
        async with running() as rig:
            rig.portal.set_backends([("127.0.0.1", backend.server_port)])
            reader, writer = await rig.connect()
            for n in range(3):
                body = b"x" * (n * 100_000)
                writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: %d" % len(body)) + body)
                assert (await read_answer(reader))[::2] == (200, sha256(body).digest())
            writer.close()
        backend.shutdown()
        thread.join()
