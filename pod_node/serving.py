"""How a process of ours serves gRPC: on a unix socket that nobody but its owner can ever open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod_node.errors import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path

    from grpc import aio


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
