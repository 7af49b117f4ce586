"""How a process of ours serves gRPC: privately, and with its errors as statuses.

Owns the binding to a unix socket that nobody but its owner can ever open, and the answer to a call
that failed.
"""

from __future__ import annotations

import os
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import grpc
from grpc import aio

from pod_node.errors import CredentialsError, StateFolderError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from pod_node.credentials import NodeCredentials

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Statuses: TypeAlias = tuple[tuple[type[Exception], grpc.StatusCode], ...]
"""Errors of ours and their statuses; the first class that fits decides."""


def bind_private(server: aio.Server, socket: Path) -> None:
    """Bind a server to a socket that is private from its first moment on.

    A socket that lies there already is one that its process could not remove; its owner holds the
    lock that says so.

    Raises:
        StateFolderError: the socket cannot be bound.
    """
    socket.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError as error:
        raise StateFolderError(str(socket), f"cannot serve on this socket: {error}") from error
    finally:
        os.umask(before)


def bind_secured(server: aio.Server, host: str, credentials: NodeCredentials) -> int:
    """Bind a server to a free port of an address, for those whom it obeys only; which port.

    Raises:
        CredentialsError: there is no such address here, or the credentials are no good.
    """
    try:
        return server.add_secure_port(f"{host}:0", credentials.server())
    except RuntimeError as error:
        raise CredentialsError(host, f"cannot serve on this address: {error}") from error


class ErrorStatuses(aio.ServerInterceptor):
    """Answers errors of ours with their statuses, in every call that a server takes."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - gRPC's handlers have no type
        """Have a call's errors answered."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None  # there is no such call
        for kind, make in _KINDS.items():
            call = getattr(handler, kind)
            if call is not None:
                guard = self._streaming if handler.response_streaming else self._answering
                return make(guard(call), handler.request_deserializer, handler.response_serializer)
        raise AssertionError(handler)

    def _answering(self, call: Any) -> Any:  # noqa: ANN401 - as above
        async def answer(request: object, context: aio.ServicerContext[Any, Any]) -> object:
            async with answering(context, self._statuses):
                return await call(request, context)

        return answer

    def _streaming(self, call: Any) -> Any:  # noqa: ANN401 - as above
        async def stream(
            request: object, context: aio.ServicerContext[Any, Any]
        ) -> AsyncGenerator[object, None]:
            async with (
                answering(context, self._statuses),
                aclosing(call(request, context)) as responses,
            ):
                async for response in responses:
                    yield response

        return stream


_KINDS: Mapping[str, Callable[..., Any]] = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


@asynccontextmanager
async def answering(
    context: aio.ServicerContext[_Request, _Response], statuses: Statuses
) -> AsyncIterator[None]:
    """Answer an error of ours with its status; any other is a fault of podnet's and stays one."""
    try:
        yield
    except tuple(kind for kind, _ in statuses) as error:
        code = next(code for kind, code in statuses if isinstance(error, kind))
        await context.abort(code, str(error))
