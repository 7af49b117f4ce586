"""Captured packets as messages."""

from __future__ import annotations

from protos.vnet.v1 import capture_pb2 as pb
from vnet.capture import CaptureDirection, CapturedPacket, Outcome
from vnet.codec import fields

_DIRECTIONS = {
    CaptureDirection.UNKNOWN: pb.CAPTURE_DIRECTION_UNSPECIFIED,
    CaptureDirection.IN: pb.CAPTURE_DIRECTION_IN,
    CaptureDirection.OUT: pb.CAPTURE_DIRECTION_OUT,
}
_OUTCOMES = {
    Outcome.PASSED: pb.CAPTURE_OUTCOME_PASSED,
    Outcome.LOST: pb.CAPTURE_OUTCOME_LOST,
    Outcome.QUEUE_FULL: pb.CAPTURE_OUTCOME_QUEUE_FULL,
    Outcome.CUT: pb.CAPTURE_OUTCOME_CUT,
    Outcome.CORRUPTED: pb.CAPTURE_OUTCOME_CORRUPTED,
    Outcome.TOO_LARGE: pb.CAPTURE_OUTCOME_TOO_LARGE,
}


def packet_to_message(packet: CapturedPacket) -> pb.CaptureRecord:
    """Write a packet as it was seen."""
    return pb.CaptureRecord(
        time_unix_ns=packet.time_ns,
        size_bytes=packet.size_bytes,
        data=packet.data,
        direction=_DIRECTIONS[packet.direction],
        outcome=_OUTCOMES[packet.outcome],
    )


def packet_from_message(message: pb.CaptureRecord) -> CapturedPacket:
    """Read a packet as it was seen.

    Raises:
        InvalidMessageError: an enum is none.
    """
    return CapturedPacket(
        time_ns=message.time_unix_ns,
        size_bytes=message.size_bytes,
        data=message.data,
        direction=fields.named("records.direction", _DIRECTIONS, message.direction),
        outcome=fields.named("records.outcome", _OUTCOMES, message.outcome),
    )
