"""How calls to another process of a deployment are made over its unix socket.

Owns the channel's options, and the way from a failed call to an error that a person can read.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import grpc
from grpc import aio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.errors import OrchestratorError

LOCAL_AUTHORITY = "localhost"
"""HTTP/2 wants a host name; a socket's path is none."""
MESSAGE_BYTES = 256 << 20
"""Largest answer that is taken: the flows of a node with many thousands of sockets."""


def open_channel(socket: Path) -> aio.Channel:
    """Make a channel to a unix socket; it connects with the first call."""
    options = [
        ("grpc.default_authority", LOCAL_AUTHORITY),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ]
    return aio.insecure_channel(f"unix:{socket}", options=options)


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
