"""Programs that are run in a pod beside its own, as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.codec.pods import exit_from_message, exit_to_message
from pod_node.codec.specs import variable_from_message
from pod_node.executing import (
    Ended,
    ExecEvent,
    ExecOrder,
    ExecStep,
    Input,
    InputEnd,
    InputTaken,
    Output,
    Resize,
    SendSignal,
    Started,
    WindowSize,
)
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

WINDOW_MOST = 65_535
"""Rows and columns of a window: what struct winsize holds."""


def exec_order_to_message(order: ExecOrder) -> pb.ExecRequest:
    """Write what to run."""
    return pb.ExecRequest(
        start=pb.ExecStart(
            pod=order.pod,
            command=order.command,
            environment=[
                pb.EnvironmentVariable(name=name, value=value) for name, value in order.environment
            ],
            working_dir=order.working_dir,
            window=None if order.window is None else window_to_message(order.window),
        )
    )


def exec_order_from_message(message: pb.ExecRequest) -> ExecOrder:
    """Read what to run.

    Raises:
        InvalidMessageError: it is not said first, or makes no sense.
    """
    if message.WhichOneof("step") != "start":
        raise InvalidMessageError("start", "must come first")
    start = message.start
    folder = start.working_dir
    return ExecOrder(
        pod=fields.filled("pod", start.pod),
        command=tuple(fields.plain("command", word) for word in start.command),
        environment=tuple(variable_from_message(variable) for variable in start.environment),
        working_dir=fields.absolute("working_dir", folder) if folder else "",
        window=_window_from_message(start.window) if start.HasField("window") else None,
    )


def exec_step_to_message(step: ExecStep) -> pb.ExecRequest:
    """Write what a program is given."""
    match step:
        case Input(data):
            return pb.ExecRequest(input=data)
        case InputEnd():
            return pb.ExecRequest(input_end=pb.ExecInputEnd())
        case Resize(window):
            return pb.ExecRequest(resize=window_to_message(window))
        case SendSignal(number):
            return pb.ExecRequest(signal=number)


async def exec_steps(messages: AsyncIterator[pb.ExecRequest]) -> AsyncGenerator[ExecStep, None]:
    """Read what a program is given; what makes no sense is left out."""
    async for message in messages:
        match message.WhichOneof("step"):
            case "input":
                yield Input(message.input)
            case "input_end":
                yield InputEnd()
            case "signal":
                yield SendSignal(message.signal)
            case "resize" if is_window(message.resize):
                yield Resize(WindowSize(message.resize.rows, message.resize.columns))
            case _:
                pass


def exec_event_to_message(event: ExecEvent) -> pb.ExecResponse:
    """Write what came of a program."""
    match event:
        case Started(pid):
            return pb.ExecResponse(started=pb.ExecStarted(process_id=pid))
        case Output(1, data):
            return pb.ExecResponse(output=data)
        case Output(_, data):
            return pb.ExecResponse(error=data)
        case InputTaken(size):
            return pb.ExecResponse(input_taken_bytes=size)
        case Ended(end):
            return pb.ExecResponse(exit=exit_to_message(end))


def exec_event_from_message(message: pb.ExecResponse) -> ExecEvent:
    """Read what came of a program.

    Raises:
        InvalidMessageError: it is nothing that is known.
    """
    match message.WhichOneof("step"):
        case "started":
            return Started(message.started.process_id)
        case "output":
            return Output(1, message.output)
        case "error":
            return Output(2, message.error)
        case "input_taken_bytes":
            return InputTaken(message.input_taken_bytes)
        case "exit":
            return Ended(exit_from_message(message.exit))
        case _:
            raise InvalidMessageError("step", "is missing")


def window_to_message(window: WindowSize) -> pb.WindowSize:
    """Write a window's size."""
    return pb.WindowSize(rows=window.rows, columns=window.columns)


def is_window(message: pb.WindowSize) -> bool:
    """Say whether a window can have this size."""
    return 1 <= message.rows <= WINDOW_MOST and 1 <= message.columns <= WINDOW_MOST


def _window_from_message(message: pb.WindowSize) -> WindowSize:
    rows = fields.within("window.rows", message.rows, 1, WINDOW_MOST)
    return WindowSize(rows, fields.within("window.columns", message.columns, 1, WINDOW_MOST))
