"""Scenarios of connections, written once and played over real loopback and over a fabric.

Each is a coroutine of a `Net` that returns what happened; Linux with asyncio's own sockets is the
oracle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Net(Protocol):
    """Where a scenario is played."""

    def serve(self, handle: Serve, limit: int = 65536) -> AbstractAsyncContextManager[int]:
        """Listen; gives the port."""

    async def connect(self, port: int, limit: int = 65536) -> Streams:
        """Connect to a port of this machine."""


Outcome = list[object]
Scenario = Callable[[Net], Awaitable[Outcome]]


async def outcome(action: Awaitable[object]) -> object:
    """What an action gave, or the kind of its error."""
    try:
        return await action
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        return type(error).__name__


async def close(writer: asyncio.StreamWriter) -> object:
    writer.close()
    return await outcome(writer.wait_closed())


class Handler:
    """A server side that a scenario drives: the streams of each connection as they arrive."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Streams] = asyncio.Queue()
        self._done: asyncio.Event = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.put_nowait((reader, writer))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def refused(net: Net) -> Outcome:
    async with net.serve(echo) as port:
        pass
    return [await outcome(net.connect(port))]


async def echoed(net: Net) -> Outcome:
    async with net.serve(echo) as port:
        reader, writer = await net.connect(port)
        results: Outcome = []
        for text in (b"one", b"two", b"three" * 1000):
            writer.write(text)
            results.append(await reader.readexactly(len(text)) == text)
        results.append(await close(writer))
        return results


async def half_closed_by_the_client(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        writer.write(b"request")
        assert writer.can_write_eof()
        writer.write_eof()
        results: Outcome = [await their_reader.read()]
        their_writer.write(b"a long answer")
        await their_writer.drain()
        results.append(await reader.readexactly(13))
        results.append(_raises(lambda: writer.write(b"too late")))
        results.append(await close(their_writer))
        results.append(await reader.read())
        results.append(await close(writer))
        return results


async def half_closed_by_the_server(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        their_writer.write(b"banner")
        their_writer.write_eof()
        results: Outcome = [await reader.read(), reader.at_eof()]
        writer.write(b"still talking")
        results.append(await their_reader.readexactly(13))
        results.append(await close(writer))
        results.append(await their_reader.read())
        results.append(await close(their_writer))
        return results


def _raises(action: Callable[[], object]) -> str:
    try:
        action()
    except (RuntimeError, TypeError, ValueError) as error:
        return type(error).__name__
    return "nothing"


async def much_both_ways_at_once(net: Net) -> Outcome:
    size = 3 << 20
    handler = Handler()

    async def send(writer: asyncio.StreamWriter, byte: bytes) -> None:
        for _ in range(size >> 16):
            writer.write(byte * 65536)
            await writer.drain()
        writer.write_eof()

    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        async with asyncio.TaskGroup() as group:
            group.create_task(send(writer, b"c"))
            group.create_task(send(their_writer, b"s"))
            mine = group.create_task(reader.read())
            theirs = group.create_task(their_reader.read())
        await close(writer)
        await close(their_writer)
        return [mine.result() == b"s" * size, theirs.result() == b"c" * size]


async def a_writer_is_held_back(net: Net) -> Outcome:
    """Nobody reads: `drain` blocks some time, and goes on when the other side reads."""
    handler = Handler()
    async with net.serve(handler) as port:
        _, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        sent = 0
        while writer.transport.get_write_buffer_size() <= 65536:
            writer.write(bytes(65536))
            sent += 65536
        draining = asyncio.get_running_loop().create_task(writer.drain())
        done, _ = await asyncio.wait([draining], timeout=0.02)
        results: Outcome = [bool(done)]
        await their_reader.readexactly(sent)
        await draining
        results.append(writer.transport.get_write_buffer_size())
        await close(writer)
        await close(their_writer)
        return results


async def closing_sends_what_is_left(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        _, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        writer.write(bytes(8 << 20))
        writer.close()
        results: Outcome = [writer.is_closing(), len(await their_reader.read())]
        results.append(await outcome(writer.wait_closed()))
        await close(their_writer)
        return results


async def aborting_drops_what_is_left(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
        writer.write(bytes(64 << 20))
        writer.transport.abort()
        received = await outcome(their_reader.read())
        results: Outcome = [isinstance(received, bytes) and len(received) < 64 << 20]
        results.append(await outcome(reader.read()))
        results.append(await outcome(writer.wait_closed()))
        await close(their_writer)
        return results


async def closed_with_unread_bytes(net: Net) -> Outcome:
    """The peer is reset."""
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        _, their_writer = await handler.arrived.get()
        their_writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"never read")
        await writer.drain()
        writer.write(b"x" * 10)
        their_writer.write(b"got as far as this")
        results: Outcome = [await reader.readexactly(18)]
        await close(their_writer)
        results.append(await outcome(reader.read()))
        results.append(await close(writer))
        return results


async def writing_to_who_is_gone(net: Net) -> Outcome:
    """A reset arrives while bytes wait in the transport."""
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        _, their_writer = await handler.arrived.get()
        their_writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(bytes(32 << 20))
        their_writer.transport.abort()
        results: Outcome = [
            await outcome(writer.drain()) in ("ConnectionResetError", "BrokenPipeError")
        ]
        results.append(writer.is_closing())
        results.append(await outcome(reader.read()) in ("ConnectionResetError", "BrokenPipeError"))
        return results  # fmt: skip


async def lines_beyond_the_limit(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler, limit=100) as port:
        reader, writer = await net.connect(port, limit=50)
        their_reader, their_writer = await handler.arrived.get()
        writer.write(b"x" * 90 + b"\n" + b"y" * 150 + b"\n")
        results: Outcome = [await outcome(their_reader.readline())]
        results.append(await outcome(their_reader.readline()))
        their_writer.write(b"z" * 60 + b"\n")
        results.append(await outcome(reader.readline()))
        await close(writer)
        await close(their_writer)
        return results


async def the_transport_answers(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        _, writer = await net.connect(port)
        _, their_writer = await handler.arrived.get()
        transport = writer.transport
        results: Outcome = [
            writer.get_extra_info("peername")[1] == port,
            writer.get_extra_info("sockname") == their_writer.get_extra_info("peername"),
            writer.get_extra_info("nothing", 7),
            transport.get_write_buffer_limits(),
            transport.is_reading(),  # type: ignore[attr-defined]
            transport.is_closing(),
            transport.can_write_eof(),
        ]
        transport.set_write_buffer_limits(100)
        results.append(transport.get_write_buffer_limits())
        transport.set_write_buffer_limits(low=10)
        results.append(transport.get_write_buffer_limits())
        results.append(_raises(lambda: transport.set_write_buffer_limits(1, 2)))
        results.append(_raises(lambda: writer.write("text")))  # type: ignore[arg-type]
        transport.pause_reading()  # type: ignore[attr-defined]
        transport.pause_reading()  # type: ignore[attr-defined]
        results.append(transport.is_reading())  # type: ignore[attr-defined]
        transport.resume_reading()  # type: ignore[attr-defined]
        results.append(transport.is_reading())  # type: ignore[attr-defined]
        writer.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
        await close(writer)
        results += [transport.is_closing(), transport.is_reading()]  # type: ignore[attr-defined]
        writer.write(b"ignored")
        writer.close()
        transport.abort()
        await close(their_writer)
        return results


async def many_connections(net: Net) -> Outcome:
    async with net.serve(echo) as port:

        async def one(number: int) -> bool:
            reader, writer = await net.connect(port)
            text = str(number).encode()
            writer.write(text)
            answer = await reader.readexactly(len(text))
            await close(writer)
            return answer == text

        results = []
        for start in range(0, 400, 100):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(start + n)) for n in range(100)]
            results += [task.result() for task in tasks]
        return [all(results), len(results)]


async def a_server_closes_and_its_connections_go_on(net: Net) -> Outcome:
    handler = Handler()
    async with net.serve(handler) as port:
        reader, writer = await net.connect(port)
        their_reader, their_writer = await handler.arrived.get()
    results: Outcome = [await outcome(net.connect(port))]
    writer.write(b"alive")
    results.append(await their_reader.readexactly(5))
    their_writer.write(b"too")
    results.append(await reader.readexactly(3))
    await close(writer)
    await close(their_writer)
    return results


SCENARIOS: tuple[Scenario, ...] = (
    refused,
    echoed,
    half_closed_by_the_client,
    half_closed_by_the_server,
    much_both_ways_at_once,
    a_writer_is_held_back,
    closing_sends_what_is_left,
    aborting_drops_what_is_left,
    closed_with_unread_bytes,
    writing_to_who_is_gone,
    lines_beyond_the_limit,
    the_transport_answers,
    many_connections,
    a_server_closes_and_its_connections_go_on,
)
