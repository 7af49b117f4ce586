"""Logs that are kept, of many pods, in the order of time.

Owns what a reader of logs can wish for, and the way from files to lines: from the end backwards
where only the last lines are wanted, merged by the times of the records, a little at a time, so
that gigabytes of logs cost no memory. Files are opened at one moment and read up to where they
ended then; what is written later is not for this module. Reading blocks: it belongs on a worker
thread.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod_node.records import parse_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from typing import BinaryIO

    from pod_node.logfile import LogFile
    from pod_node.records import LogLines

BLOCK_BYTES = 64 * 1024
"""Read at once while looking for the last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWish:
    """Which lines of logs somebody wants to read."""

    pods: frozenset[str] = frozenset()
    """Names; without any, and without services, everybody's."""
    services: frozenset[str] = frozenset()
    """Services whose pods are meant too, those to come included."""
    tail: int | None = None
    """How many of each pod's last lines to begin with; None means all that are kept."""
    since_s: float = 0.0
    """Leave out lines from before this time, in seconds since the epoch."""
    until_s: float | None = None
    """Leave out lines from after this time."""
    follow: bool = False
    """Go on with new lines."""

    def wants(self, pod: str) -> bool:
        """Tell whether a pod is meant."""
        if not self.pods and not self.services:
            return True
        return pod in self.pods or pod.rpartition("-")[0] in self.services


class KeptLog:
    """What is kept of one pod's log at one moment."""

    def __init__(self, pod: str, file: LogFile, stack: ExitStack) -> None:
        """Open the files; they are closed with the stack."""
        self._pod = pod
        self._files = [(opened, _size(opened)) for opened in file.open(stack)]

    def read(self, wish: LogWish) -> Iterator[LogLines]:
        """Read the lines that are wanted, the oldest first."""
        if wish.tail is None:
            return self._between(self._records(), wish)
        if wish.until_s is None:
            return self._between(self._last_records(wish.tail), wish)
        chosen = (record for record in self._records() if self._fits(record, wish))
        return parse_records(self._pod, deque(chosen, maxlen=wish.tail))

    def _between(self, records: Iterator[bytes], wish: LogWish) -> Iterator[LogLines]:
        for lines in parse_records(self._pod, records, wish.since_s):
            if wish.until_s is None or lines.time_s <= wish.until_s:
                yield lines

    def _fits(self, record: bytes, wish: LogWish) -> bool:
        return any(True for _ in self._between(iter([record]), wish))

    def _records(self) -> Iterator[bytes]:
        for file, size in self._files:
            yield from _lines_between(file, 0, size)

    def _last_records(self, count: int) -> Iterator[bytes]:
        """Read the last records, having looked for their beginning from the end backwards."""
        parts: list[tuple[BinaryIO, int, int]] = []
        for file, size in reversed(self._files):
            if count <= 0:
                break
            start, found = _start_of_last(file, size, count)
            parts.append((file, start, size))
            count -= found
        for file, start, size in reversed(parts):
            yield from _lines_between(file, start, size)


def merged(logs: Sequence[KeptLog], wish: LogWish) -> Iterator[LogLines]:
    """Read many logs in the order of time."""
    return heapq.merge(*(log.read(wish) for log in logs), key=lambda lines: lines.time_s)


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _lines_between(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    at = start
    for line in file:
        at += len(line)
        if at > end:
            return
        yield line


def _start_of_last(file: BinaryIO, size: int, count: int) -> tuple[int, int]:
    """Say where the last `count` lines of a file start, and how many there are."""
    at, found = size, 0
    while at > 0:
        start = max(0, at - BLOCK_BYTES)
        file.seek(start)
        block = file.read(at - start)
        end = len(block)
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            # The line end that ends the file ends the last line and begins none.
            if found == count:
                return start + end + 1, count
            found += 1
        at = start
    return 0, found
