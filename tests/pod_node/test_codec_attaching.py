"""What attach says over the wire."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node import codec
from pod_node.attaching import Attached, AttachEvent, AttachStep, OutputLost
from pod_node.executing import Ended, Input, InputTaken, Output, Resize, WindowSize
from pod_node.spec import ExitKind, PodExit
from protos.node.v1 import node_pb2 as pb
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

sizes = st.integers(1, 65_535)
steps = st.builds(Input, st.binary()) | st.builds(Resize, st.builds(WindowSize, sizes, sizes))
ends = st.builds(
    PodExit, kind=st.sampled_from(ExitKind), status=st.integers(0, 255), reason=st.just("why")
)
events = st.one_of(
    st.builds(Attached, reads_input=st.booleans(), terminal=st.booleans()),
    st.builds(Output, st.sampled_from([1, 2]), st.binary()),
    st.builds(OutputLost, st.integers(1, 2**63)),
    st.builds(InputTaken, st.integers(0, 2**32 - 1)),
    st.builds(Ended, ends),
)


async def wire(*messages: pb.AttachRequest) -> AsyncIterator[pb.AttachRequest]:
    for message in messages:
        yield pb.AttachRequest.FromString(message.SerializeToString())


@given(st.lists(steps, max_size=4))
async def test_what_is_sent_survives_the_wire(said: list[AttachStep]) -> None:
    messages = wire(*map(codec.attach_step_to_message, said))
    assert [step async for step in codec.attach_steps(messages)] == said


@given(events)
def test_what_comes_survives_the_wire(event: AttachEvent) -> None:
    message = codec.attach_event_to_message(event)
    again = pb.AttachResponse.FromString(message.SerializeToString())
    assert codec.attach_event_from_message(again) == event


@given(st.binary(max_size=64))
async def test_no_bytes_can_break_the_reading(data: bytes) -> None:
    with contextlib.suppress(Exception):
        request = pb.AttachRequest.FromString(data)
        with contextlib.suppress(InvalidMessageError):
            assert codec.attach_order_from_message(request)
        assert len([step async for step in codec.attach_steps(wire(request))]) <= 1


async def test_a_window_without_a_size_is_left_out() -> None:
    messages = wire(pb.AttachRequest(resize=pb.WindowSize(rows=0, columns=80)))
    assert [step async for step in codec.attach_steps(messages)] == []


@pytest.mark.parametrize(
    "message", [pb.AttachRequest(input=b"x"), pb.AttachRequest(start=pb.AttachStart())]
)
def test_who_is_meant_must_come_first(message: pb.AttachRequest) -> None:
    with pytest.raises(InvalidMessageError):
        codec.attach_order_from_message(message)
