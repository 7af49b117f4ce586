"""Connections to pods through a running deployment: two calls, one after the other, in between."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.codec import DeploymentLostError, DeploymentRefusedError, NodeRefusedError
from orchestrator.views.deployment import EventOrder
from orchestrator.views.phases import Phase
from pod_node.dialling import DIAL_TIMEOUT_S
from tests.support.deployments import running_deployment
from tests.support.pods import LOOPBACK, FakeRuntime, LoopbackEndpoint, loopback
from tests.support.serving import served_node, short_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pod_node.dialling import Connection
    from tests.support.deployments import RunningDeployment
    from tests.support.serving import ServedNode

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TOPOLOGY = """
name: test
networks: {front: {subnet: 10.10.0.0/24}}
services:
  web: {image: python, networks: [front], deploy: {replicas: 2}}
  over: {image: python, networks: [front]}
"""


@pytest.fixture
async def served() -> AsyncIterator[ServedNode]:
    async with served_node() as node:
        yield node


@pytest.fixture
async def deployment() -> AsyncIterator[RunningDeployment]:
    with short_folder() as folder:
        runtime = FakeRuntime(endpoint=LoopbackEndpoint())
        async with running_deployment(folder, TOPOLOGY, runtime=runtime) as deployment:
            runtime.pods["over-1"].exit(0)
            await phase_of(deployment, "over-1", Phase.EXITED)
            yield deployment


async def phase_of(deployment: RunningDeployment, name: str, phase: Phase) -> None:
    """Wait until a pod is in a phase."""
    order = EventOrder(initial_state=True, members=frozenset({name}))
    async with aclosing(deployment.client.events(order)) as events:
        async for event in events:
            if event.facts.attributes.get("phase") == phase.value:
                return


async def received(connection: Connection) -> bytes:
    """Everything until the peer sends no more."""
    data = b""
    while more := await connection.receive():
        data += more
    return data


async def listening(behaviour: object, host: str = str(LOOPBACK)) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(behaviour, host, 0)  # type: ignore[arg-type]
    return server, server.sockets[0].getsockname()[1]


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with everything in capitals once the client has sent all."""
    writer.write((await reader.read()).upper())
    writer.close()


async def test_bytes_go_both_ways_and_each_way_ends_by_itself(served: ServedNode) -> None:
    server, port = await listening(shout)
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        await connection.send(b"half ")
        await connection.send(b"close")
        await connection.end()
        assert await received(connection) == b"HALF CLOSE"
        connection.abort()


async def test_a_peer_that_ends_first_still_receives(served: ServedNode) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def end_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    server, port = await listening(end_first)
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        assert await received(connection) == b"bye"
        await connection.send(b"and you")
        await connection.end()
        assert await heard == b"and you"


async def test_more_than_fits_anywhere_comes_through(served: ServedNode) -> None:
    server, port = await listening(shout)
    text = b"abc" * 2_000_000
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        await connection.send(text)
        await connection.end()
        assert await received(connection) == text.upper()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=200_000), max_size=6))
async def test_any_bytes_in_any_pieces_come_through(
    served: ServedNode, pieces: list[bytes]
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server, port = await listening(echo)
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        for piece in pieces:
            await connection.send(piece)
        await connection.end()
        assert await received(connection) == b"".join(pieces)


async def test_a_reset_is_one_here_too(served: ServedNode) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)  # none: closing resets
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    server, port = await listening(reset)
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        await connection.send(b"x")
        with pytest.raises(ConnectionResetError):
            await connection.receive()


async def test_a_connection_that_nobody_wants_any_more_is_broken_off(served: ServedNode) -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        gone.set()
        writer.close()

    server, port = await listening(wait)
    async with server:
        connection = await served.client.dial(LOOPBACK, port, DIAL_TIMEOUT_S)
        connection.abort()
        await gone.wait()


async def test_a_pod_that_does_not_listen_refuses(served: ServedNode) -> None:
    with pytest.raises(NodeRefusedError, match=r"connecting to 127.0.0.1:1: connection refused"):
        await served.client.dial(LOOPBACK, 1, DIAL_TIMEOUT_S)


async def test_the_ready_pods_of_a_service_are_taken_in_turn(
    deployment: RunningDeployment,
) -> None:
    described = (await deployment.client.describe()).pods
    web = [
        await asyncio.start_server(shout, loopback(pod.spec.interfaces[0].address), 8123)
        for pod in described
        if pod.spec.service == "web"
    ]
    pods = []
    for name in ("web", "web", "web-2", "web-2"):
        pod, connection = await deployment.client.dial(name, 8123)
        pods.append(pod)
        await connection.send(b"a")
        await connection.end()
        assert await received(connection) == b"A"
    assert sorted(pods[:2]) == ["web-1", "web-2"]
    assert pods[2:] == ["web-2", "web-2"]
    for server in web:
        server.close()


@pytest.mark.parametrize(
    ("name", "port", "message"),
    [
        ("wep", 80, 'unknown service or pod "wep"; did you mean "web"?'),
        ("web-1", 1, "no connection to web-1, port 1: connecting to .*: connection refused"),
        ("over", 80, r"no connection to over, port 80: over-1 is exited \(0\)"),
        ("web", 0, "field port 0 is not 1 to 65535"),
    ],
)
async def test_what_cannot_be_connected_to_is_a_clear_error(
    deployment: RunningDeployment, name: str, port: int, message: str
) -> None:
    with pytest.raises(DeploymentRefusedError, match=message):
        await deployment.client.dial(name, port)


async def test_connections_end_with_the_node(deployment: RunningDeployment) -> None:
    web = (await deployment.client.describe()).pods[0].spec.interfaces[0].address
    async with await asyncio.start_server(shout, loopback(web), 8124):
        _, connection = await deployment.client.dial("web-1", 8124)
        await deployment.node.server.stop(grace=None)
        with pytest.raises(ConnectionResetError):
            await received(connection)
        with pytest.raises(DeploymentLostError):
            await deployment.client.dial("web-1", 8124)
