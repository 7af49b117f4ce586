"""A portal server with real replicas on loopback sockets, for the tests of `vnet.edge`."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import h11

from vnet.edge import Backend, Dial, Portal, PortalLimits, PortalServer, PortalTable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """A backend that records what reaches it and lets a test decide what it answers."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.accepted = 0
        self.received: list[bytearray] = []
        self.closed = asyncio.Event()
        """A connection has ended."""

    @property
    def backend(self) -> Backend:
        host, port = self._server.sockets[0].getsockname()[:2]
        return (host, port)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        log = bytearray()
        self.received.append(log)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(RecordingReader(reader, log), writer)
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)
            self.closed.set()


class RecordingReader(asyncio.StreamReader):
    """A reader that notes what its user reads through it."""

    def __init__(self, inner: asyncio.StreamReader, log: bytearray) -> None:
        super().__init__()
        self._inner, self._log = inner, log

    async def read(self, n: int = -1) -> bytes:
        data = await self._inner.read(n)
        self._log += data
        return data

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        data = await self._inner.readuntil(separator)
        self._log += data
        return data

    async def readexactly(self, n: int) -> bytes:
        data = await self._inner.readexactly(n)
        self._log += data
        return data


def answering(*answers: bytes) -> Serve:
    """Answer each request head with the next of `answers`, and all further ones with the last."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = 0
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers[min(turn, len(answers) - 1)])
            turn += 1

    return serve


def then_close(answer: bytes) -> Serve:
    """Answer the first request head and close the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return serve


@dataclass
class Seen:
    """One request as h11, a strict parser by other people, sees it."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def names(self, host: bytes) -> bool:
        """Whether the request is for `host`."""
        return (b"host", host) in self.headers

    def value(self, name: bytes) -> bytes | None:
        """The value of the field `name`, which must not be there twice."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, values
        return values[0] if values else None


def echoing_h11(seen: list[Seen]) -> Serve:
    """Parse requests with h11, append them to `seen` and answer each with its body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        request: Seen | None = None
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65536)
                connection.receive_data(data)
                if not data and request is None:
                    return
            elif isinstance(event, h11.Request):
                request = Seen(event.method, event.target, list(event.headers))
            elif isinstance(event, h11.Data):
                assert request is not None
                request.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                request.trailers = list(event.headers)
                seen.append(request)
                body = b"" if request.method == b"HEAD" else request.body
                head = h11.Response(status_code=200, headers=[("Content-Length", str(len(body)))])
                for out in (head, h11.Data(data=body), h11.EndOfMessage()):
                    writer.write(connection.send(out) or b"")
                request = None
                connection.start_next_cycle()
            else:
                return

    return serve


@dataclass
class Rig:
    """A running portal server with one portal."""

    table: PortalTable
    server: PortalServer
    portal: Portal
    replicas: list[Replica]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def replica(self) -> Replica:
        return self.replicas[0]

    @property
    def host(self) -> bytes:
        return self.portal.hostname.encode()

    async def connect(self) -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.writers.append(writer)
        return reader, writer

    def head(self, start: bytes = b"GET / HTTP/1.1", *fields: bytes) -> bytes:
        """A request head for the portal."""
        return b"\r\n".join([start, b"Host: " + self.host, *fields, b"", b""])

    async def fetch(self, message: bytes) -> bytes:
        """Send `message` and return everything until the portal closes."""
        reader, writer = await self.connect()
        writer.write(message)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def running(
    *serves: Serve,
    limits: PortalLimits | None = None,
    clock: Callable[[], float] | None = None,
    dial: Dial = asyncio.open_connection,
) -> AsyncIterator[Rig]:
    """Run a portal server before one replica for each of `serves`."""
    replicas = [Replica(serve) for serve in serves]
    for replica in replicas:
        await replica.start()
    table = PortalTable()
    server = PortalServer(table, dial, limits=limits, clock=clock)
    await server.start()
    portal = table.open("web", 8080, [replica.backend for replica in replicas])
    rig = Rig(table, server, portal, replicas)
    try:
        yield rig
    finally:
        for writer in rig.writers:
            writer.transport.abort()
        await server.stop()
        for replica in replicas:
            await replica.stop()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a killed program does."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until `condition` holds."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)


async def read_answer(
    reader: asyncio.StreamReader, method: bytes = b"GET"
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Read one final answer with h11, and no byte of the next."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    status, headers, body = 0, list[tuple[bytes, bytes]](), b""
    left = 1
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(max(1, left)))
        elif isinstance(event, h11.Response):
            status, headers = event.status_code, list(event.headers)
            left = int(dict(headers).get(b"content-length", b"1"))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            left -= len(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, headers, body
