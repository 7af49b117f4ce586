"""Calls in which both sides go on talking, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc import aio

from orchestrator.codec import DeploymentClient, DeploymentRefusedError
from orchestrator.codec.programs import exec_response
from pod_node.executing import ExecOrder, Input, Started
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import (
    DeploymentServiceServicer,
    add_DeploymentServiceServicer_to_server,
)
from tests.support.serving import short_folder

if TYPE_CHECKING:
    from pathlib import Path

CALLS, CONNECTIONS = 100, 800
"""How a call ends is a race, of which one call shows nothing."""
REASON = 'unknown service or pod "nobody"'
ORDER = ExecOrder(pod="late", command=())
Context = aio.ServicerContext[object, object]


async def refuse(context: Context) -> None:
    await context.abort(grpc.StatusCode.NOT_FOUND, REASON)


class Refusing(DeploymentServiceServicer):
    """Refuses all, before or after it has heard what it is asked for."""

    async def Exec(
        self, request_iterator: AsyncIterator[pb.ExecRequest], context: Context
    ) -> AsyncIterator[pb.ExecResponse]:
        await anext(request_iterator)
        yield exec_response("late-1", Started(2))
        await refuse(context)

    async def Attach(
        self, request_iterator: AsyncIterator[pb.AttachRequest], context: Context
    ) -> AsyncIterator[pb.AttachResponse]:
        await refuse(context)
        yield pb.AttachResponse()

    async def Dial(
        self, request_iterator: AsyncIterator[pb.DialRequest], context: Context
    ) -> AsyncIterator[pb.DialResponse]:
        await refuse(context)
        yield pb.DialResponse()


@pytest.fixture
async def socket() -> AsyncIterator[Path]:
    with short_folder() as folder:
        server = aio.server()
        add_DeploymentServiceServicer_to_server(Refusing(), server)  # type: ignore[abstract]
        server.add_insecure_port(f"unix:{folder}/socket")
        await server.start()
        try:
            yield folder / "socket"
        finally:
            await server.stop(grace=None)


async def talk() -> AsyncGenerator[Input, None]:
    while True:
        yield Input(b"x" * 100)
        await asyncio.sleep(0)


async def outcome(call: AsyncGenerator[object, None]) -> tuple[list[object], str]:
    """What is heard in a call, and why it is refused then."""
    heard: list[object] = []
    async with aclosing(call) as events:
        try:
            async for event in events:
                heard.append(event)  # noqa: PERF401  # what came before an error counts
        except DeploymentRefusedError as error:
            return heard, str(error)
    raise AssertionError("it was not refused")


async def test_a_call_that_is_refused_while_something_is_said_keeps_the_reason(
    socket: Path,
) -> None:
    async with DeploymentClient(socket) as client:
        for _ in range(CALLS):
            assert await outcome(client.exec(ORDER, 0, talk())) == ([Started(2)], REASON)
            assert await outcome(client.attach("nobody", 0, talk())) == ([], REASON)


async def test_a_connection_that_is_refused_before_anybody_listened_keeps_the_reason(
    socket: Path,
) -> None:
    async with DeploymentClient(socket) as client:
        for _ in range(CONNECTIONS):
            with pytest.raises(DeploymentRefusedError, match=REASON):
                await client.dial("nobody", 80)
