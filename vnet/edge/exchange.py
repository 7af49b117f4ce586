"""One request and its answer, streamed between a client and a replica.

Owns the order of events of one exchange: sending, the single safe retry, interim answers, relaying
both bodies at once with back-pressure, and whether both connections may be used again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vnet.edge.errors import (
    ClientGoneError,
    MessageRefusedError,
    UpstreamBrokenError,
)
from vnet.edge.forward import client_framing, client_head, interim_head, upstream_head
from vnet.edge.framing import BodyKind, Framing, decoder_for, encode, response_framing
from vnet.edge.splice import splice
from vnet.edge.upstream import broken_answer

if TYPE_CHECKING:
    from vnet.edge.client import ClientStream
    from vnet.edge.heads import Request, Response
    from vnet.edge.table import Portal
    from vnet.edge.upstream import Upstream, UpstreamPool
    from vnet.errors import VnetError
    from vnet.tasks import TaskOwner

_IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
"""Methods that may be sent twice (RFC 9110 9.2.2)."""

_MAX_INTERIM = 16
"""1xx answers before the final one; a replica that sends more is broken."""


class Exchange:
    """A request under way."""

    __slots__ = (
        "_body",
        "_client",
        "_pool",
        "_portal",
        "_request",
        "_tasks",
        "_upload_error",
        "_upstream",
        "answered",
    )

    def __init__(
        self,
        client: ClientStream,
        request: Request,
        portal: Portal,
        pool: UpstreamPool,
        tasks: TaskOwner,
    ) -> None:
        self._client, self._request, self._portal = client, request, portal
        self._pool, self._tasks = pool, tasks
        self._body = decoder_for(request.framing)
        self._upstream: Upstream | None = None
        self._upload_error: MessageRefusedError | ClientGoneError | None = None
        self.answered = False
        """A byte of a final answer was sent, so an error page would be taken for its body."""

    @property
    def body_taken(self) -> bool:
        """Whether the whole request body has left the client's buffer."""
        return self._body.done

    async def run(self) -> bool:
        """Relay the exchange; True when the client's connection can carry another request.

        Raises:
            MessageRefusedError: The request's body breaks a rule.
            BackendFailedError: No replica gave a usable answer.
            ClientGoneError: The client's connection is lost.
        """
        opening = upstream_head(self._request, self._client.address) + self._take_body()
        self._client.on_lost = self._abort_upstream
        try:
            if self._body.done:
                return await self._answer(await self._ask(opening))
            return await self._upload_and_answer(opening)
        except (UpstreamBrokenError, MessageRefusedError) as error:
            raise self._blame(error) from error
        finally:
            self._client.on_lost = None
            self._abort_upstream()

    async def _send(self, message: bytes, *, reuse: bool) -> Upstream:
        upstream = self._upstream = await self._pool.open(self._portal, reuse=reuse)
        if self._client.lost:
            raise ClientGoneError
        upstream.writer.write(message)
        return upstream

    async def _ask(self, message: bytes) -> Response:
        """Send a whole request and wait for the first head of the answer."""
        upstream = await self._send(message, reuse=True)
        try:
            return await upstream.read_response()
        except UpstreamBrokenError as error:
            stale = upstream.reused and error.untouched and not self._client.lost
            if not stale or self._request.method not in _IDEMPOTENT:
                raise
        upstream.abort()
        self._portal.counters.retries += 1
        upstream = await self._send(message, reuse=False)
        return await upstream.read_response()

    async def _upload_and_answer(self, opening: bytes) -> bool:
        """Relay both bodies at once, on a connection that cannot be stale: no second try here."""
        upstream = await self._send(opening, reuse=False)
        upload = self._tasks.spawn(self._upload(upstream), f"upload from {self._client.address}")
        try:
            return await self._answer(await upstream.read_response())
        finally:
            upload.cancel()
            await asyncio.wait([upload])

    async def _upload(self, upstream: Upstream) -> None:
        try:
            await upstream.writer.drain()
            while not self._body.done:
                self._client.expect_progress()
                data = self._take_body()
                if data:
                    upstream.writer.write(data)
                    await upstream.writer.drain()
                elif not await self._client.more():
                    self._body.finish()
            self._client.begin_exchange()
        except (MessageRefusedError, ClientGoneError) as error:
            self._upload_error = error
            upstream.abort()
        except OSError:
            pass  # the replica reads no further; what it answered, or did not, decides

    def _take_body(self) -> bytes:
        payload = self._body.decode(self._client.buffer)
        data = encode(self._request.framing.kind, payload, self._body)
        self._portal.counters.received_bytes += len(data)
        return data

    async def _answer(self, response: Response) -> bool:
        """Relay the answer that begins with `response`."""
        upstream = self._current()
        interim = 0
        while response.status < 200:
            if response.status == 101:
                return await self._switch(response)
            interim += 1
            if interim > _MAX_INTERIM:
                raise MessageRefusedError(f"more than {_MAX_INTERIM} interim answers")
            if self._request.minor:  # HTTP/1.0 has no interim answers (RFC 9110 15.2)
                self._client.write(interim_head(response))
            response = await upstream.read_response()
        framing = response_framing(self._request.method, response.status, response.declared)
        outward = client_framing(self._request, framing)
        keep_alive = self._request.keep_alive and outward.kind is not BodyKind.UNTIL_CLOSE
        head = client_head(self._request, response, outward, keep_alive)
        body = decoder_for(framing)
        data = head + encode(outward.kind, body.decode(upstream.buffer), body)
        self._portal.counters.count_response(response.status)
        self._deliver(data)
        while not body.done:
            await self._client.drain()
            if not await upstream.more():
                body.finish()
            data = encode(outward.kind, body.decode(upstream.buffer), body)
            if data:
                self._deliver(data)
        self._release(response, framing)
        return keep_alive and self._body.done

    def _deliver(self, data: bytes) -> None:
        self._client.write(data)
        self.answered = True
        self._portal.counters.sent_bytes += len(data)

    async def _switch(self, response: Response) -> bool:
        if not (self._request.websocket and response.websocket):
            raise MessageRefusedError("it switched to a protocol that the request did not ask for")
        counters = self._portal.counters
        counters.websockets += 1
        self._deliver(interim_head(response))
        await splice(self._client, self._current(), counters, self._tasks)
        return False

    def _release(self, response: Response, framing: Framing) -> None:
        """Keep the replica's connection only if both sides agree where its messages ended."""
        upstream = self._current()
        self._upstream = None
        reusable = (
            self._body.done
            and response.minor == 1
            and b"close" not in response.options
            and framing.kind is not BodyKind.UNTIL_CLOSE
            and not upstream.buffer
            and not upstream.eof
        )
        if reusable:
            self._pool.give_back(upstream)
        else:
            upstream.close()

    def _current(self) -> Upstream:
        assert self._upstream is not None
        return self._upstream

    def _abort_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.abort()

    def _blame(self, error: UpstreamBrokenError | MessageRefusedError) -> VnetError:
        """Name the culprit: a lost client and a broken upload cut the replica off too."""
        if self._client.lost:
            return ClientGoneError()
        if self._upload_error is not None:
            return self._upload_error
        return broken_answer(self._portal, self._current(), error)
