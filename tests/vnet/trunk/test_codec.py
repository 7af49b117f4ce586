"""Frames as messages: what is written is read again, and any bytes are taken or refused."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from protos.vnet.v1 import trunk_pb2 as pb
from vnet.errors import InvalidMessageError
from vnet.trunk import codec
from vnet.trunk.frames import (
    CLAIMS_MOST,
    FLOW,
    FLOWS_CLAIMED_MOST,
    ICMP,
    UDP,
    WHOLE,
    Accepted,
    Answered,
    Asked,
    Batch,
    Buffers,
    Claim,
    Claims,
    Data,
    Ends,
    Finished,
    LinkWay,
    Opened,
    Packet,
    Reason,
    Reset,
    Window,
)
from vnet.trunk.greeting import Hello
from vnet.trunk.session import Position

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
ports = st.integers(1, 65535)
ends = st.builds(Ends, u32, ports, u32, ports)
buffers = st.builds(Buffers, u32, u32)
reasons = st.sampled_from(Reason)
payloads = st.binary(max_size=100)
echoes = st.builds(
    Packet,
    st.just(ICMP),
    ends,
    payloads,
    st.booleans(),
    st.just(0),
    u32,
    u32,
    st.booleans(),
    st.sampled_from([0, ICMP, UDP]),
    u64,
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
claims = st.builds(
    Claim,
    st.builds(LinkWay, texts, st.booleans(), u32),
    st.integers(0, WHOLE),
    st.integers(FLOW, FLOWS_CLAIMED_MOST),
)
frames = st.one_of(
    st.builds(Data, u64, payloads),
    st.builds(Window, u64, u64),
    st.builds(Opened, u64, ends, buffers, u64),
    st.builds(Accepted, u64, buffers, u64),
    st.builds(Finished, u64),
    st.builds(Reset, u64, reasons),
    st.builds(Asked, ends),
    st.builds(Answered, ends, st.none() | reasons, buffers),
    st.builds(Packet, st.just(UDP), ends, payloads, st.booleans(), u32),
    echoes,
    st.builds(Claims, st.lists(claims, max_size=5).map(tuple)),
)
batches = st.builds(Batch, u64, u64, st.lists(frames, max_size=8))


def sent(message: pb.TrunkMessage) -> pb.TrunkMessage:
    return pb.TrunkMessage.FromString(message.SerializeToString())


@given(batches)
def test_a_batch_is_read_as_it_was_written(batch: Batch) -> None:
    assert codec.batch_from_message(sent(codec.batch_to_message(batch))) == batch


@given(st.builds(Hello, u32, texts, texts, st.binary(max_size=64)))
def test_a_hello_is_read_as_it_was_written(hello: Hello) -> None:
    assert codec.hello_from_message(sent(codec.hello_to_message(hello))) == hello


@given(st.binary(max_size=32), st.builds(Position, st.integers(1, 2**64 - 1), u64, u64, u64, u64))
def test_a_position_is_read_as_it_was_written(proof: bytes, position: Position) -> None:
    message = sent(codec.resume_to_message(proof, position))
    assert codec.resume_from_message(message) == (proof, position)


@given(st.binary(max_size=200) | batches.map(lambda one: _damaged(one)))
def test_any_bytes_are_taken_or_refused(raw: bytes) -> None:
    try:
        message = pb.TrunkMessage.FromString(raw)
    except DecodeError:
        return
    for read in (
        codec.batch_from_message,
        codec.hello_from_message,
        codec.resume_from_message,
    ):
        try:
            read(message)
        except InvalidMessageError as error:
            assert error.field


def _damaged(batch: Batch) -> bytes:
    """A batch with a byte in the middle that is another one."""
    raw = bytearray(codec.batch_to_message(batch).SerializeToString())
    if raw:
        raw[len(raw) // 2] ^= 0x55
    return bytes(raw)


END = pb.FlowEnd(address=1, port=80)


@pytest.mark.parametrize(
    "frame",
    [
        pb.Frame(flow_id=1),
        pb.Frame(flow_id=1, opened=pb.FlowOpened(source=END)),
        pb.Frame(flow_id=1, opened=pb.FlowOpened(source=END, target=pb.FlowEnd(port=70_000))),
        pb.Frame(flow_id=1, reset=pb.FlowReset()),
        pb.Frame(packet=pb.PacketArrived(source=END, target=END)),
        pb.Frame(
            packet=pb.PacketArrived(
                protocol=pb.PACKET_PROTOCOL_UDP, source=END, target=END, payload=bytes(65_508)
            )
        ),
        pb.Frame(
            packet=pb.PacketArrived(
                protocol=pb.PACKET_PROTOCOL_ICMP,
                source=END,
                target=END,
                echo=pb.EchoStep(refused=6),
            )
        ),
        pb.Frame(claims=pb.LinkClaims(claims=[pb.LinkClaim(link="a", demand=1)])),
        pb.Frame(claims=pb.LinkClaims(claims=[pb.LinkClaim(demand=WHOLE + 1, flows=FLOW)])),
        pb.Frame(claims=pb.LinkClaims(claims=[pb.LinkClaim(flows=FLOWS_CLAIMED_MOST + 1)])),
        pb.Frame(claims=pb.LinkClaims(claims=[pb.LinkClaim(flows=FLOW)] * (CLAIMS_MOST + 1))),
    ],
)
def test_a_frame_that_cannot_be_is_refused(frame: pb.Frame) -> None:
    with pytest.raises(InvalidMessageError):
        codec.batch_from_message(pb.TrunkMessage(batch=pb.FrameBatch(sequence=1, frames=[frame])))
