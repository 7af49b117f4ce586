"""A captured packet in a line, as people read it in a terminal. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vnet.capture.packet import CaptureDirection, Outcome, read_headers

if TYPE_CHECKING:
    from datetime import tzinfo

    from vnet.capture.packet import CapturedPacket, Headers

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}
_ARROWS = {CaptureDirection.IN: "<", CaptureDirection.OUT: ">", CaptureDirection.UNKNOWN: "-"}
_OUTCOMES = {
    Outcome.LOST: "lost",
    Outcome.QUEUE_FULL: "queue full",
    Outcome.CUT: "cut",
    Outcome.CORRUPTED: "corrupted",
    Outcome.TOO_LARGE: "too large",
}
_TCP_FLAGS = ((2, "SYN"), (4, "RST"), (1, "FIN"), (16, "ACK"))
_TCP = 6


def packet_line(packet: CapturedPacket, zone: tzinfo | None = UTC) -> str:
    """Return one line: time, direction, ends, protocol, flags, payload, and what became of it."""
    time = datetime.fromtimestamp(packet.time_ns // 10**9, zone)
    start = f"{time:%H:%M:%S}.{packet.time_ns % 10**9 // 1000:06} {_ARROWS[packet.direction]} "
    headers = read_headers(packet)
    if headers is None:
        return f"{start}{packet.size_bytes} bytes that are not IPv4"
    words = [
        f"{_end(headers, source=True)} > {_end(headers, source=False)}",
        _PROTOCOLS.get(headers.protocol, f"protocol {headers.protocol}"),
    ]
    if headers.protocol == _TCP:
        words.append(",".join(name for bit, name in _TCP_FLAGS if headers.tcp_flags & bit) or "-")
    words.append(f"{headers.payload_bytes} bytes")
    if packet.outcome in _OUTCOMES:
        words.append(f"[{_OUTCOMES[packet.outcome]}]")
    return start + " ".join(words)


def _end(headers: Headers, *, source: bool) -> str:
    address = headers.source if source else headers.target
    port = headers.source_port if source else headers.target_port
    return str(address) if port is None else f"{address}:{port}"
