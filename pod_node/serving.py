"""How a process of ours serves gRPC: privately, and with its errors as statuses.

Owns the binding to a unix socket that nobody but its owner can ever open, and the answer to a call
that failed.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import grpc

from pod_node.errors import CredentialsError, StateFolderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from grpc import aio

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
