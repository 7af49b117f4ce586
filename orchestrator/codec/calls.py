"""How calls to another process of a deployment are made over a unix socket or the network.

Owns the channel's options, and the way from a failed call to an error that a person can read.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import grpc
from grpc import aio

from orchestrator.serving.access import RemoteAddress, read_pem, read_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterator
    from pathlib import Path

    from orchestrator.errors import OrchestratorError

T = TypeVar("T")
R = TypeVar("R")

LOCAL_AUTHORITY = "localhost"
"""HTTP/2 wants a host name; a socket's path is none."""
MESSAGE_BYTES = 256 << 20
"""Largest answer that is taken: the flows of a node with many thousands of sockets."""


_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
]


def open_channel(where: Path | RemoteAddress) -> aio.Channel:
    """Make a channel to a unix socket or over the network; it connects with the first call.

    Raises:
        AccessError: a file with a token or a certificate cannot be used.
    """
    if isinstance(where, RemoteAddress):
        return _open_remote(where)
    options = [("grpc.default_authority", LOCAL_AUTHORITY), *_OPTIONS]
    return aio.insecure_channel(f"unix:{where}", options=options)


def _open_remote(where: RemoteAddress) -> aio.Channel:
    if where.ca is None:
        channel = aio.insecure_channel(str(where), options=_OPTIONS)
    else:
        own = where.tls
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read_pem(where.ca),
            private_key=None if own is None else read_pem(own.key),
            certificate_chain=None if own is None else read_pem(own.certificate),
        )
        channel = aio.secure_channel(str(where), credentials, options=_OPTIONS)
    if where.token_file is None:
        return channel
    return cast("aio.Channel", _TokenChannel(channel, read_token(where.token_file)))


class _TokenChannel:
    """A channel as generated stubs use it, whose calls all carry a token.

    The library's own credentials for calls refuse to go without TLS, on loopback too.
    """

    def __init__(self, channel: aio.Channel, token: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)
        self.close = channel.close

    def unary_unary(self, *arguments: Any, **options: Any) -> Callable[..., object]:  # noqa: ANN401
        """Make a call."""
        return partial(self._channel.unary_unary(*arguments, **options), metadata=self._metadata)

    def unary_stream(self, *arguments: Any, **options: Any) -> Callable[..., object]:  # noqa: ANN401
        """Make a call."""
        return partial(self._channel.unary_stream(*arguments, **options), metadata=self._metadata)

    def stream_unary(self, *arguments: Any, **options: Any) -> Callable[..., object]:  # noqa: ANN401
        """Make a call."""
        return partial(self._channel.stream_unary(*arguments, **options), metadata=self._metadata)

    def stream_stream(self, *arguments: Any, **options: Any) -> Callable[..., object]:  # noqa: ANN401
        """Make a call."""
        return partial(self._channel.stream_stream(*arguments, **options), metadata=self._metadata)


class Cancellable(Protocol):
    """A call that is under way."""

    def cancel(self) -> bool:
        """End it."""


@contextmanager
def cancelled(call: Cancellable) -> Iterator[None]:
    """End a stream with the block that reads it, so that the other side stops working for it."""
    try:
        yield
    finally:
        call.cancel()


@contextmanager
def translated(
    refused: Callable[[str], OrchestratorError], lost: Callable[[str], OrchestratorError]
) -> Iterator[None]:
    """Turn a failed call into an error of ours."""
    try:
        yield
    except aio.AioRpcError as error:
        reason = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise lost(reason) from error
        raise refused(reason) from error


async def sent(call: aio.StreamUnaryCall[T, R], messages: AsyncIterable[T]) -> R:
    """Send messages and take the answer, as soon as there is one.

    A call that is given an iterator goes on asking it for a while after it has failed.
    """
    with suppress(aio.AioRpcError, asyncio.InvalidStateError):  # awaiting the call says why
        async for message in messages:
            await call.write(message)
        await call.done_writing()
    return await call
