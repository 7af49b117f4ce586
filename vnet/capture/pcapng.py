"""pcapng, as much of it as a capture needs (draft-ietf-opsawg-pcapng).

Owns the blocks: a section's header, places of capture, packets with direction and comments, and
statistics at the end. Pure: each block goes to a file or a pipe at once, so that a reader sees a
packet as soon as it is there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from vnet.capture.packet import CaptureDirection, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnet.capture.packet import CapturedPacket

_SECTION_HEADER, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF
_LINKTYPE_ETHERNET = 1
_END_OF_OPTIONS, _COMMENT = 0, 1
_USER_APPLICATION = 4
_INTERFACE_NAME, _INTERFACE_DESCRIPTION, _TIME_RESOLUTION, _INTERFACE_FILTER = 2, 3, 9, 11
_PACKET_FLAGS = 2
_RECEIVED, _DROPPED = 4, 5
_NANOSECONDS = b"\x09"

_COMMENTS = {
    Outcome.LOST: "lost on this link",
    Outcome.QUEUE_FULL: "dropped: the queue was full",
    Outcome.CUT: "dropped: the path is cut",
    Outcome.CORRUPTED: "corrupted on this link",
    Outcome.TOO_LARGE: "dropped: larger than the MTU",
}


def section() -> bytes:
    """Return the block that a file begins with."""
    body = struct.pack("<IHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION_HEADER, body + _options([(_USER_APPLICATION, b"podnet")]))


def interface(name: str, *, snaplen: int = 0, description: str = "", expression: str = "") -> bytes:
    """Return the block of a place of capture; places are numbered from 0 in the order of theirs.

    Args:
        name: shown for it, for example `api-1@back` or `web--api`.
        snaplen: bytes kept of each packet; 0 keeps all.
        description: a longer name.
        expression: the filter that packets passed.
    """
    body = struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, snaplen)
    # The first byte of a filter says how it is written: 0 is a text.
    written = b"\0" + expression.encode() if expression else b""
    return _block(
        _INTERFACE,
        body
        + _options(
            [
                (_INTERFACE_NAME, name.encode()),
                (_INTERFACE_DESCRIPTION, description.encode()),
                (_TIME_RESOLUTION, _NANOSECONDS),
                (_INTERFACE_FILTER, written),
            ]
        ),
    )


def packet_block(packet: CapturedPacket, place: int = 0) -> bytes:
    """Return the block of one packet, seen at the place of that number."""
    kept = len(packet.data)
    body = struct.pack("<I", place) + _timestamp(packet.time_ns)
    body += struct.pack("<II", kept, packet.size_bytes)
    body += packet.data + bytes(-kept % 4)
    options: list[tuple[int, bytes]] = []
    if packet.outcome in _COMMENTS:
        options.append((_COMMENT, _COMMENTS[packet.outcome].encode()))
    if packet.direction is not CaptureDirection.UNKNOWN:
        options.append((_PACKET_FLAGS, struct.pack("<I", packet.direction.value)))
    return _block(_PACKET, body + _options(options))


def statistics(time_ns: int, place: int = 0, *, received: int, dropped: int) -> bytes:
    """Return a block that comes after all packets of a place.

    Args:
        time_ns: when they were taken, since the Unix epoch.
        place: which one.
        received: packets seen there.
        dropped: packets seen for which the capture had no room.
    """
    body = struct.pack("<I", place) + _timestamp(time_ns)
    counts = [(_RECEIVED, struct.pack("<Q", received)), (_DROPPED, struct.pack("<Q", dropped))]
    return _block(_STATISTICS, body + _options(counts))


def _timestamp(time_ns: int) -> bytes:
    return struct.pack("<II", time_ns >> 32 & 0xFFFF_FFFF, time_ns & 0xFFFF_FFFF)


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the options that have a value, and the end of them; nothing when there are none."""
    encoded = b"".join(
        struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
        for code, value in options
        if value
    )
    return encoded + struct.pack("<HH", _END_OF_OPTIONS, 0) if encoded else b""


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)
