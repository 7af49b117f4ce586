"""Lines that show captured packets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.vnet.capture.test_expression import ETHERNET, packet
from vnet.capture import CaptureDirection, CapturedPacket, Outcome, packet_line


def segment(flags: int, payload: bytes) -> bytes:
    header = bytearray(20)
    header[0], header[9] = 0x45, 6
    header[2:4] = (40 + len(payload)).to_bytes(2)
    header[12:20] = bytes([10, 10, 0, 5, 10, 20, 0, 2])
    tcp = bytearray(20)
    tcp[0:4] = (40000).to_bytes(2) + (8000).to_bytes(2)
    tcp[12], tcp[13] = 0x50, flags
    return ETHERNET + bytes(header) + bytes(tcp) + payload


def test_a_segment_is_shown_with_its_flags_and_fate() -> None:
    data = segment(0x12, b"abc")
    seen = CapturedPacket(
        time_ns=3_661_000_002_000,
        size_bytes=len(data),
        data=data,
        direction=CaptureDirection.OUT,
        outcome=Outcome.LOST,
    )
    assert packet_line(seen) == (
        "01:01:01.000002 > 10.10.0.5:40000 > 10.20.0.2:8000 tcp SYN,ACK 3 bytes [lost]"
    )


def test_an_echo_has_no_ports() -> None:
    line = packet_line(packet("10.10.0.5", "10.20.0.9", protocol=1))
    assert "10.10.0.5 > 10.20.0.9 icmp" in line


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_make_a_line(data: bytes, ip: bool) -> None:
    seen = CapturedPacket(time_ns=0, size_bytes=90, data=(ETHERNET if ip else b"") + data)
    assert packet_line(seen).startswith("00:00:00.000000 - ")
