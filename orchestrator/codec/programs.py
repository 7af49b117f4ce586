"""Programs that are run in pods, and whoever is attached to main processes: both are conversations.

Owns how they are told and heard. Messages of orchestrator.v1 are those of node.v1 with the number
of a replica, or the name of the pod, around them.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, TypeVar

from orchestrator.codec.conversing import converse
from pod_node.codec import (
    attach_event_to_message,
    attach_order_from_message,
    attach_order_to_message,
    attach_step_to_message,
    attach_steps,
    exec_event_to_message,
    exec_order_from_message,
    exec_order_to_message,
    exec_step_to_message,
    exec_steps,
)
from pod_node.executing import Ended
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

    from grpc import aio

    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from protos.node.v1 import node_pb2

T = TypeVar("T")
StepT = TypeVar("StepT")
EventT = TypeVar("EventT")
InnerT = TypeVar("InnerT")
InnerT_co = TypeVar("InnerT_co", covariant=True)


class _Wrapped(Protocol[InnerT_co]):
    @property
    def request(self) -> InnerT_co: ...


async def events_of(
    call: aio.StreamStreamCall[T, InnerT],
    requests: AsyncIterable[T],
    read: Callable[[InnerT], EventT],
) -> AsyncGenerator[EventT, None]:
    """Say what there is to say, and yield what comes of it, to the end.

    Raises:
        AioRpcError: the call failed.
    """
    async with aclosing(converse(call, requests)) as messages:
        async for message in messages:
            event = read(message)
            yield event
            if isinstance(event, Ended):
                return


def exec_requests(
    order: ExecOrder, steps: AsyncIterable[ExecStep]
) -> AsyncGenerator[node_pb2.ExecRequest, None]:
    """Write what a node is told about a program."""
    return _said(exec_order_to_message(order), steps, exec_step_to_message)


def attach_requests(
    pod: str, steps: AsyncIterable[AttachStep]
) -> AsyncGenerator[node_pb2.AttachRequest, None]:
    """Write what a node is told about a main process."""
    return _said(attach_order_to_message(pod), steps, attach_step_to_message)


async def _said(
    order: T, steps: AsyncIterable[StepT], write: Callable[[StepT], T]
) -> AsyncGenerator[T, None]:
    yield order
    async for step in steps:
        yield write(step)


async def wrapped(
    wrap: Callable[[int, InnerT], T], index: int, requests: AsyncIterable[InnerT]
) -> AsyncGenerator[T, None]:
    """Write what a deployment is told; the order's pod may be a service, the index its replica."""
    async for request in requests:
        yield wrap(index, request)
        index = 0


def wrap_exec(index: int, request: node_pb2.ExecRequest) -> pb.ExecRequest:
    """Write one thing that a deployment is told about a program."""
    return pb.ExecRequest(index=index, request=request)


def wrap_attach(index: int, request: node_pb2.AttachRequest) -> pb.AttachRequest:
    """Write one thing that a deployment is told about a main process."""
    return pb.AttachRequest(index=index, request=request)


def exec_order(message: pb.ExecRequest) -> tuple[ExecOrder, int]:
    """Read what to run, and in which replica.

    Raises:
        InvalidMessageError: it is not said first, or makes no sense.
    """
    return exec_order_from_message(message.request), message.index


def attach_order(message: pb.AttachRequest) -> tuple[str, int]:
    """Read to which service or pod to attach, and to which replica.

    Raises:
        InvalidMessageError: it is not said first, or nobody is named.
    """
    return attach_order_from_message(message.request), message.index


def exec_steps_of(messages: AsyncIterator[pb.ExecRequest]) -> AsyncGenerator[ExecStep, None]:
    """Read what a program is given."""
    return exec_steps(_unwrapped(messages))


def attach_steps_of(messages: AsyncIterator[pb.AttachRequest]) -> AsyncGenerator[AttachStep, None]:
    """Read what a main process is given."""
    return attach_steps(_unwrapped(messages))


async def _unwrapped(messages: AsyncIterable[_Wrapped[InnerT]]) -> AsyncGenerator[InnerT, None]:
    async for message in messages:
        yield message.request


def exec_response(pod: str, event: ExecEvent) -> pb.ExecResponse:
    """Write what came of a program."""
    return pb.ExecResponse(pod=pod, response=exec_event_to_message(event))


def attach_response(pod: str, event: AttachEvent) -> pb.AttachResponse:
    """Write what came of a main process."""
    return pb.AttachResponse(pod=pod, response=attach_event_to_message(event))
