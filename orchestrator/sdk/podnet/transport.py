"""HTTP into the virtual network, for httpx: hosts are services and pods, bytes go through a call.

Owns the transport of an `httpx.AsyncClient` and the network backend below it. Pods see the node's
own address as their peer. Every request has a connection of its own: it goes to the next ready pod
of a service, and none is left over from a pod that has ended. TLS to pods is not supported.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore
import httpx

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from orchestrator.codec import DeploymentClient
    from pod_node.dialling import Connection

_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
)
"""The first class that fits decides."""


class PodTransport(httpx.AsyncBaseTransport):
    """Sends requests to services and pods of a running deployment."""

    def __init__(self, client: DeploymentClient) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            max_keepalive_connections=0, network_backend=_PodBackend(client)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give back the head of its answer."""
        assert isinstance(request.stream, httpx.AsyncByteStream), "the client is asynchronous"
        inner = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _errors():
            answer = await self._pool.handle_async_request(inner)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_AnswerBody(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _AnswerBody(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class _PodBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, client: DeploymentClient) -> None:
        self._client = client

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            pod, connection = await self._client.dial(host, port, timeout)
        except OrchestratorError as error:
            raise httpcore.ConnectError(str(error)) from error
        return _PodStream(pod, connection)


class _PodStream(httpcore.AsyncNetworkStream):
    def __init__(self, pod: str, connection: Connection) -> None:
        self._pod, self._connection = pod, connection
        self._rest = b""

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> bytes:
        if not self._rest:
            try:
                async with asyncio.timeout(timeout):
                    self._rest = await self._connection.receive()
            except TimeoutError as error:
                raise httpcore.ReadTimeout(f"{self._pod} did not answer in time") from error
            except OSError as error:
                raise httpcore.ReadError(f"{self._pod}: {error}") from error
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._connection.send(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(f"{self._pod} took nothing in time") from error
        except OSError as error:
            raise httpcore.WriteError(f"{self._pod}: {error}") from error

    async def aclose(self) -> None:
        self._connection.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> httpcore.AsyncNetworkStream:
        self._connection.abort()
        raise httpcore.ConnectError("TLS to pods is not supported; use http:// in the URL")

    def get_extra_info(self, info: str) -> object:
        return {"pod": self._pod, "is_readable": False}.get(info)


@contextmanager
def _errors() -> Iterator[None]:
    """Turn httpcore's errors into httpx's, as httpx itself does."""
    try:
        yield
    except tuple(kind for kind, _ in _ERRORS) as error:
        kind = next(translated for kind, translated in _ERRORS if isinstance(error, kind))
        raise kind(str(error)) from error
