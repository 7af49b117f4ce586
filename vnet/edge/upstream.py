"""The backend's side of a portal connection, and the pool of idle ones.

Owns reading whole heads and body bytes from a `StreamReader`, and when a connection may be used
again. Connections come from a `Dial`, so that a backend may be a pod in a fabric or a real socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from vnet.edge.errors import BackendFailedError, MessageRefusedError, UpstreamBrokenError
from vnet.edge.heads import Response, parse_response
from vnet.edge.limits import READ_BYTES, PortalLimits
from vnet.edge.syntax import HeadScanner

if TYPE_CHECKING:
    from vnet.edge.table import Backend, Portal

Dial = Callable[[str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Opens a connection to an address and port, raising `OSError` subclasses."""


class Upstream:
    """A connection to one backend."""

    __slots__ = (
        "_reader",
        "_scanner",
        "backend",
        "buffer",
        "eof",
        "idle_since",
        "reused",
        "writer",
    )

    def __init__(
        self, backend: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._scanner = HeadScanner()
        self.writer = writer
        self.backend = backend
        self.buffer = bytearray()
        self.eof = False
        self.reused = False
        """An earlier request went over this connection, so its backend may be closing it."""
        self.idle_since = 0.0

    async def read_response(self) -> Response:
        """Wait for the next head, interim or final.

        Raises:
            UpstreamBrokenError: The connection ended first.
            MessageRefusedError: The head breaks a rule.
        """
        while True:
            head = self._scanner.take(self.buffer)
            if head is not None:
                return parse_response(head)
            if not await self.more():
                untouched = not self.buffer
                what = "without an answer" if untouched else "inside the head of its answer"
                raise UpstreamBrokenError(f"it closed the connection {what}", untouched)

    async def more(self) -> bool:
        """Wait until `buffer` has grown; False when it never will.

        Raises:
            UpstreamBrokenError: The connection was reset.
        """
        if self.eof:
            return False
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            self.eof = True
            reason = f"its connection broke ({error})"
            raise UpstreamBrokenError(reason, not self.buffer) from error
        if not data:
            self.eof = True
            return False
        self.buffer += data
        return True

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it; follow with `drain`."""
        self.writer.write(data)

    async def drain(self) -> None:
        """Wait until the backend has read most of what was written."""
        await self.writer.drain()

    def write_eof(self) -> None:
        """Send no more after what is queued."""
        self.writer.write_eof()

    def is_quiet(self) -> bool:
        """Tell whether the idle connection is open and nothing has arrived on it.

        `StreamReader` offers no look at its buffer, so a read is begun and dropped at its first
        wait: if it does not wait, there is an end, an error, or an answer nobody asked for.
        """
        if self.writer.is_closing():
            return False
        attempt = self._reader.read(1)
        try:
            attempt.send(None)
        except (StopIteration, OSError):
            return False
        attempt.close()
        return True

    def close(self) -> None:
        """Close after what is queued."""
        self.writer.close()

    def abort(self) -> None:
        """Close at once, dropping what is queued; wakes who waits in `more`."""
        self.eof = True
        self.writer.transport.abort()


class UpstreamPool:
    """Opens connections to replicas in turn, and keeps idle ones for reuse."""

    def __init__(self, dial: Dial, clock: Callable[[], float], limits: PortalLimits) -> None:
        self._dial, self._clock, self._limits = dial, clock, limits
        self._idle: dict[Backend, list[Upstream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    async def open(self, portal: Portal, *, reuse: bool) -> Upstream:
        """Return a connection to the replica whose turn it is, skipping unreachable ones.

        Args:
            portal: The portal whose replicas are meant.
            reuse: An idle connection will do.

        Raises:
            BackendFailedError: No replica can be reached.
        """
        tried: list[Backend] = []
        failures: list[str] = []
        timed_out = False
        while (backend := portal.next_backend(tried)) is not None:
            tried.append(backend)
            if reuse and (idle := self._take(backend)) is not None:
                return idle
            try:
                async with asyncio.timeout(self._limits.connect_s):
                    reader, writer = await self._dial(*backend)
            except OSError as error:
                timed_out = isinstance(error, TimeoutError)
                failures.append(f"{backend[0]}:{backend[1]} {_describe(error)}")
                continue
            portal.counters.upstream_connections += 1
            return Upstream(backend, reader, writer)
        raise _unreachable(portal, failures, timed_out)

    def give_back(self, upstream: Upstream) -> None:
        """Keep `upstream` for the next request, or close it when there are enough."""
        idle = self._idle.setdefault(upstream.backend, [])
        if len(idle) >= self._limits.upstream_idle_connections:
            upstream.close()
            return
        upstream.idle_since = self._clock()
        upstream.reused = True
        idle.append(upstream)

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long."""
        for backend, idle in list(self._idle.items()):
            fresh = [one for one in idle if now - one.idle_since < self._limits.upstream_idle_s]
            for one in idle[: len(idle) - len(fresh)]:
                one.close()
            if fresh:
                self._idle[backend] = fresh
            else:
                del self._idle[backend]

    def clear(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            for upstream in idle:
                upstream.abort()
        self._idle.clear()

    def _take(self, backend: Backend) -> Upstream | None:
        idle = self._idle.get(backend)
        while idle:
            upstream = idle.pop()  # the freshest is the least likely to be closed
            if upstream.is_quiet():
                return upstream
            upstream.close()
        return None


def _describe(error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "refused the connection"
        case TimeoutError():
            return "did not answer in time"
        case _:
            return f"cannot be reached ({error.strerror or error})"


def _unreachable(portal: Portal, failures: list[str], timed_out: bool) -> BackendFailedError:
    if not failures:
        reason = "no replica is ready. `podnet ps` shows their states; reload when one is running."
        return BackendFailedError(portal.service, portal.port, 503, reason)
    reason = (
        f"no replica accepts connections: {', '.join(failures)}. Does the program listen on "
        f"0.0.0.0:{portal.port}? `podnet logs {portal.service}` shows what it says."
    )
    return BackendFailedError(portal.service, portal.port, 504 if timed_out else 503, reason)


def broken_answer(portal: Portal, upstream: Upstream, error: Exception) -> BackendFailedError:
    """Turn what went wrong with a replica's answer into the client's error."""
    where = f"{upstream.backend[0]}:{upstream.backend[1]}"
    verb = "sent an invalid answer: " if isinstance(error, MessageRefusedError) else "failed: "
    reason = (
        f"the replica at {where} {verb}{error}. `podnet logs {portal.service}` shows what it says."
    )
    return BackendFailedError(portal.service, portal.port, 502, reason)
