"""Strict grammar of HTTP/1.1 heads and trailer sections (RFC 9112 2, 3, 5).

Owns the decision whether raw bytes are well-formed. It extracts nothing: `heads` lets httptools do
that, and only for bytes that passed here. Stricter than the RFCs allow recipients to be, because
each tolerance (bare LF, obs-fold, an empty line before the request) is a way for two parsers to see
two different messages in the same bytes.
"""

import re

from vnet.edge.errors import MessageRefusedError
from vnet.edge.limits import MAX_HEAD_BYTES

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_FIELDS = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+"

_REQUEST_HEAD = re.compile(
    _TOKEN + rb" [\x21\x22\x24-\x7e]++ HTTP/1\.[01]\r\n" + _FIELDS + rb"\r\n"
)
_RESPONSE_HEAD = re.compile(
    rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*+)?\r\n" + _FIELDS + rb"\r\n"
)
_TRAILERS = re.compile(_FIELDS + rb"\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)\r\n")
_REQUEST_LINE = re.compile(_TOKEN + rb" [\x21\x22\x24-\x7e]++ HTTP/1\.[01]")
_OTHER_VERSION = re.compile(rb"[^ ]+ [^ ]+ HTTP/(?!1\.[01]$)[0-9](?:\.[0-9])?")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*)?")
_NEVER_VALID = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])")


def check_request_head(head: bytes) -> None:
    """Refuse `head`, which ends in an empty line, unless it is a well-formed request head."""
    if _REQUEST_HEAD.fullmatch(head) is None:
        line = head.partition(b"\r\n")[0]
        check_bytes(head, 0)
        if _REQUEST_LINE.fullmatch(line) is None:
            if _OTHER_VERSION.fullmatch(line):
                raise MessageRefusedError("only HTTP/1.0 and HTTP/1.1 are spoken here", 505)
            raise MessageRefusedError("the request line is not `METHOD target HTTP/1.1`")
        raise MessageRefusedError(_explain_fields(head))


def check_response_head(head: bytes) -> None:
    """Refuse `head`, which ends in an empty line, unless it is a well-formed response head."""
    if _RESPONSE_HEAD.fullmatch(head) is None:
        check_bytes(head, 0)
        if _STATUS_LINE.fullmatch(head.partition(b"\r\n")[0]) is None:
            raise MessageRefusedError("the status line is not `HTTP/1.1 nnn reason`")
        raise MessageRefusedError(_explain_fields(head))


def parse_trailers(section: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and values of a trailer section that ends in an empty line."""
    if _TRAILERS.fullmatch(section) is None:
        check_bytes(section, 0)
        raise MessageRefusedError(_explain_fields(b"\r\n" + section))
    return [(name, value.rstrip(b" \t")) for name, value in _FIELD.findall(section)]


def check_bytes(data: bytes | bytearray, start: int) -> None:
    """Refuse, from `start` on, bytes that no head may contain, before the head is complete.

    A CR at the very end is left open, because its LF may follow.
    """
    found = _NEVER_VALID.search(data, max(0, start - 1))
    if found is None:
        return
    match found[0]:
        case b"\n":
            raise MessageRefusedError("a bare LF (line feed without carriage return)")
        case b"\r":
            raise MessageRefusedError("a bare CR (carriage return without line feed)")
        case other:
            raise MessageRefusedError(f"the control character 0x{other.hex()}")


def _explain_fields(head: bytes) -> str:
    for line in head.split(b"\r\n")[1:-2]:
        if line.startswith((b" ", b"\t")):
            return "a folded field line (obs-fold)"
        name, colon, _ = line.partition(b":")
        if not colon:
            return "a field line without a colon"
        if name.endswith((b" ", b"\t")):
            return "whitespace between a field name and its colon"
        if re.fullmatch(_TOKEN, name) is None:
            return "a field name with characters that names must not have"
    return "a malformed field line"


class HeadScanner:
    """Cuts one head after the other from a growing buffer, looking at each byte once."""

    __slots__ = ("_scanned",)

    def __init__(self) -> None:
        self._scanned = 0

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove and return the head at the start of `buffer`, or None when it is incomplete.

        The return value ends in the empty line; it is bounded but otherwise unchecked.
        """
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), MAX_HEAD_BYTES + 4)
        if end < 0:
            check_bytes(buffer, self._scanned)
            self._scanned = len(buffer)
            if self._scanned > MAX_HEAD_BYTES:
                raise MessageRefusedError(f"the head is larger than {MAX_HEAD_BYTES} bytes", 431)
            return None
        self._scanned = 0
        end += 4
        head = bytes(buffer[:end])
        del buffer[:end]
        return head
