"""Whoever is attached to a pod, as messages of orchestrator.v1: those of node.v1 with a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.codec import (
    attach_event_from_message,
    attach_event_to_message,
    attach_order_from_message,
    attach_order_to_message,
    attach_step_to_message,
    attach_steps,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from pod_node.attaching import AttachEvent, AttachStep
    from protos.node.v1 import node_pb2


async def node_requests(
    pod: str, steps: AsyncIterable[AttachStep]
) -> AsyncGenerator[node_pb2.AttachRequest, None]:
    """Write what a node is told, one message after the other."""
    yield attach_order_to_message(pod)
    async for step in steps:
        yield attach_step_to_message(step)


async def requests(
    target: str, index: int, steps: AsyncIterable[AttachStep]
) -> AsyncGenerator[pb.AttachRequest, None]:
    """Write what a deployment is told."""
    yield pb.AttachRequest(index=index, request=attach_order_to_message(target))
    async for step in steps:
        yield pb.AttachRequest(request=attach_step_to_message(step))


def order_from_message(message: pb.AttachRequest) -> tuple[str, int]:
    """Read to which service or pod to attach, and to which replica.

    Raises:
        InvalidMessageError: it is not said first, or nobody is named.
    """
    return attach_order_from_message(message.request), message.index


def steps_from_messages(
    messages: AsyncIterator[pb.AttachRequest],
) -> AsyncGenerator[AttachStep, None]:
    """Read what a main process is given."""
    return attach_steps(_unwrapped(messages))


async def _unwrapped(
    messages: AsyncIterator[pb.AttachRequest],
) -> AsyncGenerator[node_pb2.AttachRequest, None]:
    async for message in messages:
        yield message.request


def event_to_message(pod: str, event: AttachEvent) -> pb.AttachResponse:
    """Write what came of a main process."""
    return pb.AttachResponse(pod=pod, response=attach_event_to_message(event))


def event_from_message(message: pb.AttachResponse) -> AttachEvent:
    """Read what came of a main process."""
    return attach_event_from_message(message.response)
