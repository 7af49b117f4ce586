"""The records that a fabric's capture ring hands out (`vnet/fabric/captures/capture.h`). Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from vnet.capture.packet import CaptureDirection, CapturedPacket, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD = struct.Struct("<QIIBBHI")


def read_records(data: bytes) -> Iterator[CapturedPacket]:
    """Yield the packets of a run of whole records."""
    at = 0
    while at < len(data):
        time_ns, size, captured, direction, outcome, _, length = _RECORD.unpack_from(data, at)
        start = at + _RECORD.size
        yield CapturedPacket(
            time_ns=time_ns,
            size_bytes=size,
            data=data[start : start + captured],
            direction=CaptureDirection(direction),
            outcome=Outcome(outcome),
        )
        at += length
