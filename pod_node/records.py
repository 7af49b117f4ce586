"""Log records: one line of a guest's output as it stands in a file.

Owns the format, which is the one that container runtimes use (CRI):

    2026-01-31T23:59:59.123456Z stdout F text of the line

The second word is `stdout`, `stderr` or, for the node's own notes, `podnet`; the third is `F` for a
whole line or `P` for a piece of a line longer than `LINE_BYTES` (the last piece of such a line is
`F` again). Bytes go through as the guest wrote them. Pure: touches no file and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LINE_BYTES = 16 * 1024
"""Longest record text; the same bound as containerd's."""


TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
STREAMS = ("stdout", "stderr", "podnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Lines that one pod wrote to one stream at about the same time."""

    pod: str
    stream: str
    """One of `STREAMS`."""
    time_s: float
    """Seconds since the epoch at which the node received them."""
    lines: tuple[bytes, ...]
    """Without their line ends; pieces of over-long lines count as lines. None at all, from the
    stream `podnet`, say to a follower that a life of the pod has ended and was told completely."""


class Piece(NamedTuple):
    """Consecutive records that share their flag."""

    lines: Sequence[bytes]
    whole: bool


class LineCutter:
    """Cuts one stream's bytes into records, whatever the chunking."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Piece]:
        """Return the records that are complete now."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        pieces: list[Piece] = []
        if lines and len(max(lines, key=len)) <= LINE_BYTES:
            pieces.append(Piece(lines, whole=True))
        else:
            for line in lines:
                start = _full_pieces(line, pieces)
                pieces.append(Piece([line[start:]], whole=True))
        if len(self._rest) > LINE_BYTES:
            self._rest = self._rest[_full_pieces(self._rest, pieces) :]
        return pieces

    def flush(self) -> list[Piece]:
        """Return what is left as a last line; used when the stream has ended."""
        rest, self._rest = self._rest, b""
        return [Piece([rest], whole=True)] if rest else []


def _full_pieces(line: bytes, pieces: list[Piece]) -> int:
    """Cut off pieces of the largest size while more follows; return where the remainder starts."""
    start = 0
    while len(line) - start > LINE_BYTES:
        pieces.append(Piece([line[start : start + LINE_BYTES]], whole=False))
        start += LINE_BYTES
    return start


def format_piece(piece: Piece, stream: str, time_s: float) -> bytes:
    """Write a piece's records as they stand in the file."""
    stamp = datetime.fromtimestamp(time_s, UTC).strftime(TIME_FORMAT)
    prefix = f"{stamp} {stream} {'F' if piece.whole else 'P'} ".encode()
    return prefix + (b"\n" + prefix).join(piece.lines) + b"\n"


def parse_records(pod: str, records: Iterable[bytes], since_s: float = 0.0) -> Iterator[LogLines]:
    """Read records back, those of the same time and stream together; skip what is none."""
    group: list[bytes] = []
    key = ("", b"")
    for record in records:
        parts = record.split(b" ", 3)
        if len(parts) != 4 or parts[1].decode("latin-1") not in STREAMS:
            continue
        if group and key != (parts[1].decode("latin-1"), parts[0]):
            yield from _lines(pod, key, group, since_s)
            group = []
        key = (parts[1].decode("latin-1"), parts[0])
        group.append(parts[3].rstrip(b"\n"))
    if group:
        yield from _lines(pod, key, group, since_s)


def _lines(
    pod: str, key: tuple[str, bytes], group: list[bytes], since_s: float
) -> Iterator[LogLines]:
    stream, stamp = key
    try:
        moment = datetime.strptime(stamp.decode("latin-1"), TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return
    if moment.timestamp() >= since_s:
        yield LogLines(pod=pod, stream=stream, time_s=moment.timestamp(), lines=tuple(group))
