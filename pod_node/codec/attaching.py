"""Whoever is attached to a pod's main process, as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.attaching import Attached, AttachEvent, AttachStep, OutputLost
from pod_node.codec.executing import is_window, window_to_message
from pod_node.codec.pods import exit_from_message, exit_to_message
from pod_node.executing import Ended, Input, InputTaken, Output, Resize, WindowSize
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


def attach_order_to_message(pod: str) -> pb.AttachRequest:
    """Write to whom to attach."""
    return pb.AttachRequest(start=pb.AttachStart(pod=pod))


def attach_order_from_message(message: pb.AttachRequest) -> str:
    """Read to whom to attach.

    Raises:
        InvalidMessageError: it is not said first, or nobody is named.
    """
    if message.WhichOneof("step") != "start":
        raise InvalidMessageError("start", "must come first")
    return fields.filled("pod", message.start.pod)


def attach_step_to_message(step: AttachStep) -> pb.AttachRequest:
    """Write what a main process is given."""
    match step:
        case Input(data):
            return pb.AttachRequest(input=data)
        case Resize(window):
            return pb.AttachRequest(resize=window_to_message(window))


async def attach_steps(
    messages: AsyncIterator[pb.AttachRequest],
) -> AsyncGenerator[AttachStep, None]:
    """Read what a main process is given; what makes no sense is left out."""
    async for message in messages:
        match message.WhichOneof("step"):
            case "input":
                yield Input(message.input)
            case "resize" if is_window(message.resize):
                yield Resize(WindowSize(message.resize.rows, message.resize.columns))
            case _:
                pass


def attach_event_to_message(event: AttachEvent) -> pb.AttachResponse:
    """Write what came of a main process."""
    match event:
        case Attached(reads_input=reads, terminal=terminal):
            return pb.AttachResponse(attached=pb.Attached(reads_input=reads, terminal=terminal))
        case Output(1, data):
            return pb.AttachResponse(output=data)
        case Output(_, data):
            return pb.AttachResponse(error=data)
        case OutputLost(size):
            return pb.AttachResponse(lost_bytes=size)
        case InputTaken(size):
            return pb.AttachResponse(input_taken_bytes=size)
        case Ended(end):
            return pb.AttachResponse(exit=exit_to_message(end))


def attach_event_from_message(message: pb.AttachResponse) -> AttachEvent:
    """Read what came of a main process.

    Raises:
        InvalidMessageError: it is nothing that is known.
    """
    match message.WhichOneof("step"):
        case "attached":
            attached = message.attached
            return Attached(reads_input=attached.reads_input, terminal=attached.terminal)
        case "output":
            return Output(1, message.output)
        case "error":
            return Output(2, message.error)
        case "lost_bytes":
            return OutputLost(message.lost_bytes)
        case "input_taken_bytes":
            return InputTaken(message.input_taken_bytes)
        case "exit":
            return Ended(exit_from_message(message.exit))
        case _:
            raise InvalidMessageError("step", "is missing")
