"""Programs that are run in pods, as messages of orchestrator.v1: those of node.v1 with a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pod_node.codec import (
    exec_event_from_message,
    exec_event_to_message,
    exec_order_from_message,
    exec_order_to_message,
    exec_step_to_message,
    exec_steps,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from protos.node.v1 import node_pb2


RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


async def node_requests(
    order: ExecOrder, steps: AsyncIterable[ExecStep]
) -> AsyncGenerator[node_pb2.ExecRequest, None]:
    """Write what a node is told, one message after the other."""
    yield exec_order_to_message(order)
    async for step in steps:
        yield exec_step_to_message(step)


async def requests(
    order: ExecOrder, index: int, steps: AsyncIterable[ExecStep]
) -> AsyncGenerator[pb.ExecRequest, None]:
    """Write what a deployment is told; the order's pod may be a service."""
    yield pb.ExecRequest(index=index, request=exec_order_to_message(order))
    async for step in steps:
        yield pb.ExecRequest(request=exec_step_to_message(step))


def order_from_message(message: pb.ExecRequest) -> tuple[ExecOrder, int]:
    """Read what to run, and in which replica.

    Raises:
        InvalidMessageError: it is not said first, or makes no sense.
    """
    return exec_order_from_message(message.request), message.index


def steps_from_messages(
    messages: AsyncIterator[pb.ExecRequest],
) -> AsyncGenerator[ExecStep, None]:
    """Read what a program is given."""
    return exec_steps(_unwrapped(messages))


async def _unwrapped(
    messages: AsyncIterator[pb.ExecRequest],
) -> AsyncGenerator[node_pb2.ExecRequest, None]:
    async for message in messages:
        yield message.request


def event_to_message(pod: str, event: ExecEvent) -> pb.ExecResponse:
    """Write what came of a program."""
    return pb.ExecResponse(pod=pod, response=exec_event_to_message(event))


def event_from_message(message: pb.ExecResponse) -> ExecEvent:
    """Read what came of a program."""
    return exec_event_from_message(message.response)
