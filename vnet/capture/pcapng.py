"""pcapng, as much of it as a capture needs (draft-ietf-opsawg-pcapng).

Owns the blocks: a section header, one interface, packets with direction and comments, and
statistics at the end. Pure: it turns packets into bytes that go to a file or a pipe at once, so
that a reader sees each packet as soon as it is written.
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


class PcapngWriter:
    """Turns one place's packets into a pcapng section."""

    def __init__(
        self, interface: str, *, snaplen: int, description: str = "", expression: str = ""
    ) -> None:
        """Describe the place of capture.

        Args:
            interface: name shown for it, for example `api-1@back` or `web--api`.
            snaplen: bytes kept of each packet; 0 keeps all.
            description: a longer name.
            expression: the filter that packets passed.
        """
        self._interface = interface
        self._snaplen = snaplen
        self._description = description
        self._expression = expression

    def header(self) -> bytes:
        """Return the blocks that come first."""
        section = struct.pack("<IHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
        section += _options([(_USER_APPLICATION, b"podnet")])
        interface = struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, self._snaplen)
        interface += _options(
            [
                (_INTERFACE_NAME, self._interface.encode()),
                (_INTERFACE_DESCRIPTION, self._description.encode()),
                (_TIME_RESOLUTION, _NANOSECONDS),
                # The first byte says how the filter is written: 0 is a text.
                (_INTERFACE_FILTER, b"\0" + self._expression.encode() if self._expression else b""),
            ]
        )
        return _block(_SECTION_HEADER, section) + _block(_INTERFACE, interface)

    def packet(self, packet: CapturedPacket) -> bytes:
        """Return the block of one packet."""
        kept = len(packet.data)
        body = struct.pack("<I", 0) + _timestamp(packet.time_ns)
        body += struct.pack("<II", kept, packet.size_bytes)
        body += packet.data + bytes(-kept % 4)
        options: list[tuple[int, bytes]] = []
        if packet.outcome in _COMMENTS:
            options.append((_COMMENT, _COMMENTS[packet.outcome].encode()))
        if packet.direction is not CaptureDirection.UNKNOWN:
            options.append((_PACKET_FLAGS, struct.pack("<I", packet.direction.value)))
        return _block(_PACKET, body + _options(options))

    def statistics(self, time_ns: int, *, received: int, dropped: int) -> bytes:
        """Return the block that comes last.

        Args:
            time_ns: when they were taken, since the Unix epoch.
            received: packets seen at the place.
            dropped: packets seen for which the capture had no room.
        """
        body = struct.pack("<I", 0) + _timestamp(time_ns)
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
