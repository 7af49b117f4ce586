"""Where an HTTP/1.1 body ends: one decision per message and hop (RFC 9112 6).

Owns the choice of a framing from a head's fields, decoders that cut payload out of a byte buffer,
and the encoding of payload for the next hop. Chunked bodies are decoded here rather than by
httptools, which cannot say at which byte a message ended, and so cannot be stopped before it reads
the next, unchecked head.

Deviations, all towards refusing: any repeated Content-Length, any transfer coding but a single
`chunked`, and whitespace around a chunk size are errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from vnet.edge.errors import MessageRefusedError
from vnet.edge.limits import (
    MAX_BODY_BYTES,
    MAX_CHUNK_LINE_BYTES,
    MAX_FIELDS,
    MAX_TRAILER_BYTES,
)
from vnet.edge.syntax import check_bytes, parse_trailers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BodyKind(Enum):
    """How the end of a body is marked."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until the connection closes"


@dataclass(slots=True)
class Framing:
    """The kind of a body, and its length where one is declared."""

    kind: BodyKind
    length: int = 0


NO_BODY = Framing(BodyKind.NONE)
CHUNKED = Framing(BodyKind.CHUNKED)
UNTIL_CLOSE = Framing(BodyKind.UNTIL_CLOSE)


def declared_framing(special: Mapping[bytes, Sequence[bytes]], minor: int) -> Framing | None:
    """Return the framing that a head declares, or None when it declares none.

    Args:
        special: Values of the framing fields by lower-case name.
        minor: The 0 or 1 of the message's HTTP version.
    """
    codings = special.get(b"transfer-encoding")
    lengths = special.get(b"content-length")
    if codings is None:
        return None if lengths is None else Framing(BodyKind.LENGTH, _parse_length(lengths))
    if lengths is not None:
        raise MessageRefusedError("both Content-Length and Transfer-Encoding")
    if minor == 0:
        raise MessageRefusedError("Transfer-Encoding in an HTTP/1.0 message")
    if len(codings) != 1 or codings[0].lower() != b"chunked":
        raise MessageRefusedError("a Transfer-Encoding other than a single `chunked`")
    return CHUNKED


def response_framing(method: bytes, status: int, declared: Framing | None) -> Framing:
    """Apply RFC 9112 6.3 to a final or interim response to `method`."""
    if method == b"HEAD" or status < 200 or status in (204, 304):
        return NO_BODY
    return UNTIL_CLOSE if declared is None else declared


def _parse_length(values: Sequence[bytes]) -> int:
    if len(values) != 1:
        raise MessageRefusedError("more than one Content-Length")
    value = values[0]
    if not value.isdigit():
        raise MessageRefusedError("a Content-Length that is not a plain decimal number")
    if len(value) > 19 or int(value) > MAX_BODY_BYTES:
        raise MessageRefusedError("an absurdly large Content-Length")
    return int(value)


class LengthDecoder:
    """Cuts a body of declared length."""

    __slots__ = ("_remaining", "done")

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.done = length == 0

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """Only chunked bodies have trailers."""
        return []

    def decode(self, buffer: bytearray) -> bytes:
        """Remove and return the payload at the start of `buffer`."""
        if len(buffer) <= self._remaining:
            payload = bytes(buffer)
            buffer.clear()
        else:
            payload = bytes(buffer[: self._remaining])
            del buffer[: self._remaining]
        self._remaining -= len(payload)
        self.done = self._remaining == 0
        return payload

    def finish(self) -> None:
        """Take note of the connection's end."""
        if not self.done:
            raise MessageRefusedError(f"the body ended {self._remaining} bytes too early")


class CloseDecoder:
    """Takes everything until the connection ends."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """Only chunked bodies have trailers."""
        return []

    def decode(self, buffer: bytearray) -> bytes:
        """Remove and return all of `buffer`."""
        payload = bytes(buffer)
        buffer.clear()
        return payload

    def finish(self) -> None:
        """Take note of the connection's end, which is the body's."""
        self.done = True


class _Part(Enum):
    SIZE = 1
    PAYLOAD = 2
    PAYLOAD_END = 3
    TRAILERS = 4
    DONE = 5


_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")


class ChunkDecoder:
    """Cuts the chunks of a body in chunked coding; extensions are dropped (RFC 9112 7.1)."""

    __slots__ = ("_part", "_remaining", "_scanned", "done", "trailers")

    def __init__(self) -> None:
        self._part = _Part.SIZE
        self._remaining = 0
        self._scanned = 0
        self.done = False
        self.trailers: list[tuple[bytes, bytes]] = []

    def decode(self, buffer: bytearray) -> bytes:
        """Remove what `buffer` holds of the body and return its payload."""
        pieces: list[bytes] = []
        while self._step(buffer, pieces):
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Take note of the connection's end."""
        if not self.done:
            raise MessageRefusedError("the chunked body ended before its last chunk")

    def _step(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        match self._part:
            case _Part.SIZE:
                return self._take_size(buffer)
            case _Part.PAYLOAD:
                return self._take_payload(buffer, pieces)
            case _Part.PAYLOAD_END:
                return self._take_payload_end(buffer)
            case _Part.TRAILERS:
                return self._take_trailers(buffer)
            case _Part.DONE:
                return False
        assert_never(self._part)

    def _take_size(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\r\n", 0, MAX_CHUNK_LINE_BYTES)
        if end < 0:
            check_bytes(buffer[:MAX_CHUNK_LINE_BYTES], 0)
            if len(buffer) >= MAX_CHUNK_LINE_BYTES:
                raise MessageRefusedError("a chunk's size line is too long")
            return False
        line = _SIZE_LINE.fullmatch(buffer, 0, end)
        if line is None:
            raise MessageRefusedError("a chunk does not start with a hexadecimal size")
        self._remaining = int(line[1], 16)
        if self._remaining > MAX_BODY_BYTES:
            raise MessageRefusedError("an absurdly large chunk")
        del line  # it exports the buffer, which must not shrink meanwhile
        del buffer[: end + 2]
        self._part = _Part.PAYLOAD if self._remaining else _Part.TRAILERS
        return True

    def _take_payload(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        if not buffer:
            return False
        piece = bytes(buffer[: self._remaining])
        del buffer[: len(piece)]
        pieces.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._part = _Part.PAYLOAD_END
        return True

    def _take_payload_end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise MessageRefusedError("a chunk is longer than its size, or has no CRLF after it")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._part = _Part.SIZE
        return True

    def _take_trailers(self, buffer: bytearray) -> bool:
        if buffer.startswith(b"\r\n"):
            end = 2
        else:
            end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), MAX_TRAILER_BYTES) + 4
        if end < 4 and end != 2:
            check_bytes(buffer[:MAX_TRAILER_BYTES], self._scanned)
            self._scanned = len(buffer)
            if self._scanned >= MAX_TRAILER_BYTES:
                raise MessageRefusedError("the trailer section is too long")
            return False
        self.trailers = parse_trailers(bytes(buffer[:end]))
        if len(self.trailers) > MAX_FIELDS:
            raise MessageRefusedError(f"more than {MAX_FIELDS} trailers")
        del buffer[:end]
        self._part = _Part.DONE
        self.done = True
        return False


Decoder = LengthDecoder | ChunkDecoder | CloseDecoder


def decoder_for(framing: Framing) -> Decoder:
    """Return a fresh decoder for one body."""
    match framing.kind:
        case BodyKind.NONE | BodyKind.LENGTH:
            return LengthDecoder(framing.length)
        case BodyKind.CHUNKED:
            return ChunkDecoder()
        case BodyKind.UNTIL_CLOSE:
            return CloseDecoder()
    assert_never(framing.kind)


_NEVER_IN_TRAILERS = frozenset(
    b"authorization cache-control connection content-encoding content-length content-range "
    b"content-type cookie expect forwarded host keep-alive proxy-authorization "
    b"proxy-connection set-cookie te trailer transfer-encoding upgrade via".split()
)
"""Fields that route, frame or authenticate (RFC 9110 6.5.1): dropped when they come as trailers."""


def encode(kind: BodyKind, payload: bytes, body: Decoder) -> bytes:
    """Frame `payload` for the next hop; after the last of it also the terminator and trailers."""
    if kind is not BodyKind.CHUNKED:
        return payload
    chunk = b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
    if not body.done:
        return chunk
    if not body.trailers:
        return chunk + b"0\r\n\r\n"
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, value in body.trailers
        if name.lower().replace(b"_", b"-") not in _NEVER_IN_TRAILERS
        and not name.lower().startswith(b"x-forwarded")
    ]
    return b"".join([chunk, b"0\r\n", *lines, b"\r\n"])
