"""A deployment's gRPC face over TCP: with certificates, or a token, or both.

Owns the credentials, the check of tokens, and what is told of those who are refused. Whoever shows
no certificate that was asked for does not get past TLS, which the gRPC library does by itself, so
no event tells of that.
"""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
from grpc import aio

from orchestrator.serving.access import AccessError, join_host, read_pem, read_token
from orchestrator.serving.attempts import Attempts
from orchestrator.views.deployment import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from orchestrator.events.log import EventLog
    from orchestrator.serving.access import ListenAddress

    Context = aio.ServicerContext[Any, Any]
    Behaviour = Callable[[object, Context], Any]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
AUTHORIZATION = "authorization"
SCHEME = "Bearer "
TELL_S = 1.0
"""Of those who are refused from one address, so often one is told of."""


@asynccontextmanager
async def serve_remote(
    register: Callable[[aio.Server], None],
    address: ListenAddress,
    events: EventLog,
    clock: Callable[[], float],
) -> AsyncGenerator[int, None]:
    """Serve over TCP while the block lasts; gives the port.

    Args:
        register: Adds the services to a server.
        address: Where, and for whom.
        events: Hears of those who are refused.
        clock: Tells the time, in seconds.

    Raises:
        AccessError: the files cannot be used, or the port cannot be had.
    """
    interceptors = []
    if address.token_file is not None:
        interceptors.append(TokenCheck(read_token(address.token_file), events, clock))
    server = aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
    register(server)
    port = _bind(server, address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=None)


def _bind(server: aio.Server, address: ListenAddress) -> int:
    where = join_host(address.host, address.port)
    try:
        if address.tls is None:
            return server.add_insecure_port(where)
        pair = (read_pem(address.tls.key), read_pem(address.tls.certificate))
        authority = None if address.client_ca is None else read_pem(address.client_ca)
        credentials = grpc.ssl_server_credentials(
            [pair], root_certificates=authority, require_client_auth=authority is not None
        )
        return server.add_secure_port(where, credentials)
    except RuntimeError as error:
        raise AccessError(
            f"cannot listen on {where}: the port is in use or not ours, or the certificate and "
            f"the key do not fit together ({error})"
        ) from error


class TokenCheck(aio.ServerInterceptor):
    """Lets calls pass that carry the token."""

    def __init__(self, token: str, events: EventLog, clock: Callable[[], float]) -> None:
        self._expected = (SCHEME + token).encode()
        self._events = events
        self._clock = clock
        self._attempts = Attempts()
        self._told: dict[str, float] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[_Request, _Response] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Put the check before a call."""
        handler = await continuation(handler_call_details)
        return None if handler is None else _guarded(handler, self._check)

    async def _check(self, context: Context) -> None:
        """Let a call pass, or end it."""
        peer = context.peer()
        address = peer.rpartition(":")[0]
        now = self._clock()
        wait_s = self._attempts.wait_s(address, now)
        if wait_s > 0:
            self._tell(peer, address, "too many wrong tokens", now)
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"too many wrong tokens from this address; try again in {wait_s:.0f} s",
            )
        given = dict(context.invocation_metadata() or ()).get(AUTHORIZATION, "")
        shown = given if isinstance(given, bytes) else given.encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, self._expected):
            self._attempts.failed(address, now)
            reason = "wrong token" if given else "no token"
            self._tell(peer, address, reason, now)
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, f"{reason}; give --token-file or PODNET_TOKEN_FILE"
            )

    def _tell(self, peer: str, address: str, reason: str, now: float) -> None:
        last = self._told.get(address)
        if last is not None and now - last < TELL_S:
            return
        if len(self._told) > 1024:
            self._told.clear()
        self._told[address] = now
        self._events.tell(f"refused {peer}: {reason}", Refused(peer, reason))


def _guarded(
    handler: grpc.RpcMethodHandler[_Request, _Response],
    check: Callable[[Context], Awaitable[None]],
) -> grpc.RpcMethodHandler[_Request, _Response]:
    """Put a check before what a handler does."""
    kinds = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
    behaviour = cast("Behaviour", next(kind for kind in kinds if kind is not None))

    async def answer(request: object, context: Context) -> object:
        await check(context)
        return await behaviour(request, context)

    async def answers(request: object, context: Context) -> AsyncIterator[object]:
        await check(context)
        async for message in behaviour(request, context):
            yield message

    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    guarded: grpc.RpcMethodHandler[_Request, _Response] = make(
        answers if handler.response_streaming else answer,
        handler.request_deserializer,
        handler.response_serializer,
    )
    return guarded
