"""A captured packet, and what its headers say.

Owns the values that a capture hands out. The bytes begin with an Ethernet header, as the fabric's
`frame.c` writes it; they may end early when a capture keeps only the first bytes of each packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

_ETHERNET_BYTES = 14
_IPV4_LEAST_BYTES = 20
_TCP_LEAST_BYTES = 20
_DATAGRAM_HEADER_BYTES = 8
_TCP, _UDP = 6, 17


class CaptureDirection(Enum):
    """Which way a packet went past the place of capture; the values are pcapng's."""

    UNKNOWN = 0
    IN = 1
    OUT = 2


class Outcome(Enum):
    """What became of a packet at the place of capture."""

    PASSED = 0
    LOST = 1
    QUEUE_FULL = 2
    CUT = 3
    CORRUPTED = 4
    TOO_LARGE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPacket:
    """One packet as it was seen."""

    time_ns: int
    """Since the Unix epoch."""
    size_bytes: int
    """Of the whole packet, headers included."""
    data: bytes
    """Its first bytes."""
    direction: CaptureDirection = CaptureDirection.UNKNOWN
    outcome: Outcome = Outcome.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What filters and people ask of a packet."""

    size_bytes: int
    protocol: int
    source: IPv4Address
    target: IPv4Address
    source_port: int | None = None
    """None for protocols without ports."""
    target_port: int | None = None
    tcp_flags: int = 0
    payload_bytes: int = 0
    """After the transport's header."""


def read_headers(packet: CapturedPacket) -> Headers | None:
    """Return what the headers say; None when they are not IPv4, or cut off."""
    data = packet.data[_ETHERNET_BYTES:]
    if packet.data[12:_ETHERNET_BYTES] != b"\x08\x00" or len(data) < _IPV4_LEAST_BYTES:
        return None
    network_bytes = (data[0] & 15) * 4
    transport = data[network_bytes:]
    protocol = data[9]
    has_ports = protocol in (_TCP, _UDP) and len(transport) >= 4
    is_tcp = protocol == _TCP and len(transport) >= _TCP_LEAST_BYTES
    transport_bytes = (transport[12] >> 4) * 4 if is_tcp else _DATAGRAM_HEADER_BYTES
    return Headers(
        size_bytes=packet.size_bytes,
        protocol=protocol,
        source=IPv4Address(data[12:16]),
        target=IPv4Address(data[16:20]),
        source_port=int.from_bytes(transport[0:2]) if has_ports else None,
        target_port=int.from_bytes(transport[2:4]) if has_ports else None,
        tcp_flags=transport[13] if is_tcp else 0,
        payload_bytes=max(0, int.from_bytes(data[2:4]) - network_bytes - transport_bytes),
    )
