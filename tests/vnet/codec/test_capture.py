from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.vnet.v1 import capture_pb2 as pb
from vnet.capture import CaptureDirection, CapturedPacket, Outcome
from vnet.codec import packet_from_message, packet_to_message
from vnet.errors import InvalidMessageError

packets = st.builds(
    CapturedPacket,
    time_ns=st.integers(0, 2**64 - 1),
    size_bytes=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=60),
    direction=st.sampled_from(CaptureDirection),
    outcome=st.sampled_from(Outcome),
)


@given(packet=packets)
def test_a_packet_survives_the_wire(packet: CapturedPacket) -> None:
    wire = packet_to_message(packet).SerializeToString()
    assert packet_from_message(pb.CaptureRecord.FromString(wire)) == packet


def test_a_packet_of_which_nobody_says_what_became_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match=r"field records\.outcome"):
        packet_from_message(pb.CaptureRecord(size_bytes=60))
