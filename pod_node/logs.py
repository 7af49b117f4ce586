"""Per-pod log files and live followers: what guests write, kept within bounds.

Owns the folder `logs/` of a node's state: `POD.log` is the newest file of a pod, `POD.log.1` the
one before; their format is in `records.py`. Does not render: followers receive the lines and show
them as they like.

The guest never waits for a log. Output beyond the bounds is dropped, and a note in the log says how
much. Disk writes happen on a worker thread, never on the event loop, and rest between rounds so
that a flood takes at most a quarter of a core. A full disk stops the files, not the pods: writing
is tried again every `RETRY_S`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from pod_node.fanout import Fanout
from pod_node.history import KeptLog, merged
from pod_node.logfile import LogFile
from pod_node.records import LineCutter, LogLines, Piece, format_piece

if TYPE_CHECKING:
    from pathlib import Path

    from pod_node.history import LogWish

SWEEP_BYTES = 128 * 1024
"""Records of one pod written per round: with the pause below, up to 6.4 MB/s reach the disk."""
RECORD_BYTES = 48
"""What a line costs in the file and on its way to followers, beyond its own bytes."""
CHUNK_BYTES = 160
"""What a waiting chunk costs in memory, beyond its own bytes."""
JOIN_BYTES = 4096
"""Shorter chunks of one stream are joined while they wait: some guests write byte by byte."""
SWEEP_S = 0.02
"""Shortest pause between rounds: short for the eye, long enough to gather lines into a write."""
REST_RATIO = 3.0
"""A rest lasts so many times its round, which keeps logging under a quarter of a core."""
PENDING_BYTES = 4 * 1024 * 1024
"""Output of one pod that may wait for the disk: a burst of this size loses nothing."""
PENDING_TOTAL_BYTES = 32 * 1024 * 1024
"""The same for all pods together, so that a hundred flooding pods cost 32 MiB and not 400."""
RETRY_S = 10.0
"""How long a pod's files rest after a failed write."""
TAIL_BYTES = 2048
"""End of a pod's stderr kept in memory, to say why it died."""
FOLLOWER_CHUNKS = 1024
"""Chunks (one round of one pod each) that a slow follower may have waiting."""
BATCH = 256
"""Groups of kept lines that are read in one trip to a worker thread."""
CLOSE_S = 0.5
"""How long closing may spend on output that still waits."""
NOTE_S = 1.0
"""A pod that keeps flooding is told on so often."""

NOTE = 0
END = -1
STREAM_OF = {1: "stdout", 2: "stderr", NOTE: "podnet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrouble:
    """A pod's log file cannot be written for now."""

    pod: str
    path: Path
    reason: str


OnTrouble = Callable[[LogTrouble], None]


@dataclass(slots=True)
class _Chunk:
    """What a pod wrote to one stream at one time."""

    descriptor: int
    time_s: float
    content: bytearray


@dataclass(slots=True)
class _PodLog:
    """What the book knows of one pod.

    During a round, the worker thread owns `cutters` and `resting_until_s`.
    """

    file: LogFile
    pending: deque[_Chunk] = field(default_factory=deque)
    pending_bytes: int = 0
    dropped_bytes: int = 0
    noted_at_s: float = 0.0
    cutters: dict[int, LineCutter] = field(
        default_factory=lambda: {n: LineCutter() for n in STREAM_OF}
    )
    resting_until_s: float = 0.0
    tail: bytes = b""
    told: bool = False
    """All that the pod wrote in a life that has ended is in the file and with the followers."""


@dataclass(slots=True)
class _Round:
    """What one trip to the worker thread takes along and brings back."""

    work: list[tuple[str, _PodLog, list[_Chunk]]]
    lines: list[LogLines] = field(default_factory=list)
    troubles: list[LogTrouble] = field(default_factory=list)


class LogBook:
    """Takes the output of all pods of a node and brings it to files and followers."""

    def __init__(
        self, folder: Path, on_trouble: OnTrouble, wall: Callable[[], float] = time.time
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._on_trouble = on_trouble
        self._wall = wall
        self._pods: dict[str, _PodLog] = {}
        self._dirty: dict[str, None] = {}
        self._pending_total = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._writing = asyncio.Lock()
        """Held for a round, from what is taken to what followers are told."""
        self._rounds = 0
        self._followers: Fanout[tuple[int, LogLines]] = Fanout(
            FOLLOWER_CHUNKS, lambda chunk: len(chunk[1].lines)
        )

    def begin(self, pod: str) -> None:
        """Start a new life of a pod; its file goes on where the last life ended."""
        if pod not in self._pods:
            self._pods[pod] = _PodLog(self._file(pod))
        self._pods[pod].tail = b""
        self._pods[pod].told = False

    def write(self, pod: str, descriptor: int, chunk: bytes) -> None:
        """Take what a guest wrote; costs an append and returns at once.

        Preconditions: `begin(pod)`.
        """
        log = self._pods[pod]
        if descriptor == 2:
            log.tail = (log.tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        if (
            log.pending_bytes + len(chunk) > PENDING_BYTES
            or self._pending_total + len(chunk) > PENDING_TOTAL_BYTES
        ):
            log.dropped_bytes += len(chunk)
            return
        last = log.pending[-1] if log.pending else None
        if last and last.descriptor == descriptor and len(last.content) < JOIN_BYTES:
            last.content += chunk
            self._account(log, len(chunk))
        else:
            self._put(pod, log, descriptor, chunk)

    def end(self, pod: str) -> None:
        """Note that the pod will write no more; a last line without a line end comes out."""
        self._put(pod, self._pods[pod], END, b"")

    def last_error_line(self, pod: str) -> str:
        """Return the last line the pod wrote to stderr in this life, or an empty string."""
        log = self._pods.get(pod)
        lines = [line for line in (log.tail if log else b"").splitlines() if line.strip()]
        return lines[-1].decode("utf-8", "replace").strip() if lines else ""

    async def read(self, wish: LogWish) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Yield what is kept of pods' output, merged by time, then, if asked, what they write next.

        Yields:
            Lines, and how many lines were lost before them because the reader was slow; when
            following, also the end of each life (see `LogLines.lines`).
        """
        with self._followers.subscribe() as live, ExitStack() as stack:
            if self._dirty and not wish.follow:
                await self._sweep()  # what was written before the question is in the answer
            async with self._writing:
                read_until = self._rounds
                kept = await asyncio.to_thread(self._kept, wish, stack)
                told = [pod for pod, log in self._pods.items() if log.told and wish.wants(pod)]
            history = merged(kept, wish)
            while batch := await asyncio.to_thread(list, islice(history, BATCH)):
                for lines in batch:
                    yield lines, 0
            stack.close()
            if not wish.follow:
                return
            for pod in told:
                yield _end_of(pod, self._wall()), 0
            async for round_number, lines in live:
                if round_number > read_until and wish.wants(lines.pod):
                    lost, live.lost = live.lost, 0
                    yield lines, lost

    def __len__(self) -> int:
        """Count the followers."""
        return len(self._followers)

    async def run(self) -> None:
        """Bring output to files and followers until closed, then what still waits."""
        clock = asyncio.get_running_loop().time
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            started_at = clock()
            await self._sweep()
            await asyncio.sleep(max(SWEEP_S, REST_RATIO * (clock() - started_at)))
        deadline = clock() + CLOSE_S
        while self._dirty and clock() < deadline:
            await self._sweep()
        self._followers.close()

    def close(self) -> None:
        """Let `run` come to its end."""
        self._closing = True
        self._wake.set()

    def _put(self, pod: str, log: _PodLog, descriptor: int, chunk: bytes) -> None:
        log.pending.append(_Chunk(descriptor, self._wall(), bytearray(chunk)))
        self._account(log, len(chunk) + CHUNK_BYTES)
        self._dirty[pod] = None
        self._wake.set()

    def _account(self, log: _PodLog, size: int) -> None:
        log.pending_bytes += size
        self._pending_total += size

    def _kept(self, wish: LogWish, stack: ExitStack) -> list[KeptLog]:
        """Open what is kept of the pods that are wanted, those of an earlier node included."""
        files = {path.stem for path in self._folder.glob("*.log")}
        names = [*self._pods, *sorted(files - self._pods.keys())]
        return [KeptLog(pod, self._file(pod), stack) for pod in names if wish.wants(pod)]

    def _file(self, pod: str) -> LogFile:
        return LogFile(self._folder / f"{pod}.log")

    async def _sweep(self) -> None:
        async with self._writing:
            self._rounds += 1
            round_ = _Round([self._take(pod) for pod in list(self._dirty)])
            await asyncio.to_thread(_write_round, round_, self._wall())
            for trouble in round_.troubles:
                self._on_trouble(trouble)
            for lines in round_.lines:
                self._pods[lines.pod].told = not lines.lines
                self._followers.publish((self._rounds, lines))

    def _take(self, pod: str) -> tuple[str, _PodLog, list[_Chunk]]:
        """Take about `SWEEP_BYTES` worth of records from what waits."""
        log = self._pods[pod]
        taken: list[_Chunk] = []
        room = SWEEP_BYTES
        while log.pending and room > 0:
            chunk = log.pending.popleft()
            size = len(chunk.content)
            cost = size + RECORD_BYTES * chunk.content.count(b"\n")
            if cost > room:
                cut = max(1, size * room // cost)
                rest = _Chunk(chunk.descriptor, chunk.time_s, chunk.content[cut:])
                log.pending.appendleft(rest)
                del chunk.content[cut:]
                self._account(log, -cut)
            else:
                self._account(log, -size - CHUNK_BYTES)
            taken.append(chunk)
            room -= cost
        if log.pending:
            self._wake.set()
        else:
            del self._dirty[pod]
        self._note_drops(log, taken)
        return pod, log, taken

    def _note_drops(self, log: _PodLog, taken: list[_Chunk]) -> None:
        now_s = self._wall()
        if log.dropped_bytes and (not log.pending or now_s - log.noted_at_s >= NOTE_S):
            note = f"{log.dropped_bytes} bytes were dropped: written faster than can be kept\n"
            taken.append(_Chunk(NOTE, now_s, bytearray(note.encode())))
            log.dropped_bytes = 0
            log.noted_at_s = now_s


def _write_round(round_: _Round, now_s: float) -> None:
    """Cut, format and write one round; runs on a worker thread."""
    for pod, log, taken in round_.work:
        records: list[bytes] = []
        for chunk in taken:
            for stream, piece in _cut(log, chunk):
                records.append(format_piece(piece, stream, chunk.time_s))
                round_.lines.append(
                    LogLines(pod=pod, stream=stream, time_s=chunk.time_s, lines=tuple(piece.lines))
                )
            if chunk.descriptor == END:
                round_.lines.append(_end_of(pod, chunk.time_s))
        if records and now_s >= log.resting_until_s:
            try:
                log.file.write(b"".join(records))
            except OSError as error:
                log.resting_until_s = now_s + RETRY_S
                reason = error.strerror or str(error)
                round_.troubles.append(LogTrouble(pod=pod, path=log.file.path, reason=reason))


def _cut(log: _PodLog, chunk: _Chunk) -> list[tuple[str, Piece]]:
    if chunk.descriptor != END:
        cutter = log.cutters[chunk.descriptor]
        stream = STREAM_OF[chunk.descriptor]
        return [(stream, piece) for piece in cutter.feed(bytes(chunk.content))]
    return [(STREAM_OF[n], piece) for n, cutter in log.cutters.items() for piece in cutter.flush()]


def _end_of(pod: str, time_s: float) -> LogLines:
    return LogLines(pod=pod, stream=STREAM_OF[NOTE], time_s=time_s, lines=())
