"""A bidirectional gRPC stream and nothing else: the baseline for what crosses a trunk.

Messages are bytes as they are, without protobuf; each side is a process with asyncio.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

import grpc
from grpc import aio

_METHOD = "/bench.Bare/Talk"
_END = b"end"
_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass(frozen=True, slots=True)
class Listen:
    """Serve at this address; answered when it does. Bytes are counted, and one byte comes back."""

    address: str


@dataclass(frozen=True, slots=True)
class Pour:
    """Send messages of this size for so long; answered with bytes per second."""

    address: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bounce:
    """Send a byte there and back for so long; answered with the median in seconds."""

    address: str
    seconds: float


def serve_bare_stream(connection: Connection) -> None:
    """Answer requests until the connection is closed."""
    asyncio.run(_serve(connection))


async def _serve(connection: Connection) -> None:
    servers = []
    while True:
        try:
            request = await asyncio.to_thread(connection.recv)
        except EOFError:
            return
        match request:
            case Listen(address):
                servers.append(await _listen(address))
                connection.send(None)
            case Pour():
                connection.send(await _pour(request))
            case Bounce():
                connection.send(await _bounce(request))


async def _listen(address: str) -> aio.Server:
    server = aio.server(options=_OPTIONS)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(_talk)
    service = grpc.method_handlers_generic_handler("bench.Bare", {"Talk": handler})
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(address)
    await server.start()
    return server


async def _talk(messages: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
    async for message in messages:
        if len(message) == 1 or message == _END:
            yield message


async def _pour(request: Pour) -> float:
    message = bytes(request.size)
    async with aio.insecure_channel(request.address, options=_OPTIONS) as channel:
        call: aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(_METHOD)()
        await call.write(b"x")
        await call.read()
        begin = time.perf_counter()
        sent = 0
        while time.perf_counter() - begin < request.seconds:
            await call.write(message)
            sent += request.size
        await call.write(_END)
        await call.read()
        elapsed = time.perf_counter() - begin
        call.cancel()
    return sent / elapsed


async def _bounce(request: Bounce) -> float:
    times: list[float] = []
    async with aio.insecure_channel(request.address, options=_OPTIONS) as channel:
        call: aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(_METHOD)()
        end = time.perf_counter() + request.seconds
        while (begin := time.perf_counter()) < end:
            await call.write(b"x")
            await call.read()
            times.append(time.perf_counter() - begin)
        call.cancel()
    return median(times)
