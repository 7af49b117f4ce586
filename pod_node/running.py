"""The node process, once it knows which node it is.

Owns its lock, its sockets, its signals and its end.

The lock, `node.lock` in the state folder, is held as long as the process lives, and holds its id:
no pod ever runs twice, and whoever finds it locked knows whom to ask, or to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from pod_node.credentials import read_credentials
from pod_node.engine import Compiler, EngineRuntime, create_engine, create_library
from pod_node.errors import CredentialsError, NodeRunningError, StateFolderError
from pod_node.files import Roots, remove_roots
from pod_node.images import CacheFolder, cache_root
from pod_node.lock import LOCK_FILE
from pod_node.node import Node
from pod_node.parent import hear_parent
from pod_node.service import PodNodeService, create_server
from pod_node.serving import bind_private, bind_secured
from pod_node.shelf import ImageShelf
from pod_node.trunk_service import NodeTrunkService

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from grpc import aio


def load_engine() -> Compiler:
    """Load what compiles and runs modules, and the kernel.

    Raises:
        CacheFolderError: nobody says where the cache is.
        KernelMissingError: the package was installed without its kernel.
    """
    compiler = Compiler(create_engine(), CacheFolder(cache_root(os.environ)))
    compiler.kernel()
    return compiler


def run(arguments: argparse.Namespace, compiler: Compiler) -> None:
    """Run the node until it is told to end.

    Raises:
        PodNodeError: it cannot run.
    """
    asyncio.run(_run(arguments, compiler))


async def _run(arguments: argparse.Namespace, compiler: Compiler) -> None:
    logs = _logs_folder(arguments.state)
    _hold(arguments.state)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runtime = EngineRuntime(compiler)
    shelf = ImageShelf(create_library(compiler, CacheFolder(cache_root(os.environ))))
    remove_roots(arguments.state)  # of a node that was killed
    roots = Roots(arguments.state)
    async with Node(runtime, shelf, logs, roots) as node:
        service = PodNodeService(node, shelf, lambda: runtime.fabric.statistics()[:2])
        server = create_server(service)
        NodeTrunkService(runtime.trunk, lambda: runtime.networks).join(server)
        bind_private(server, arguments.socket)
        port = _bind_tcp(server, arguments)
        await server.start()
        if arguments.until_eof:
            hear_parent(lambda: loop.call_soon_threadsafe(stop.set))
        _announce(port)
        await stop.wait()
        await server.stop(grace=None)
    _exit(arguments.socket)


def _logs_folder(state: Path) -> Path:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        logs = state / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateFolderError(str(state), error.strerror or str(error)) from error
    return logs


def _hold(state: Path) -> None:
    """Keep every other node from this folder, until the process ends."""
    try:
        descriptor = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except BlockingIOError as error:
        pid = os.read(descriptor, 32).decode("ascii", "replace").strip()
        raise NodeRunningError(str(state), pid or "unknown") from error
    except OSError as error:
        raise StateFolderError(str(state), error.strerror or str(error)) from error


def _exit(socket: Path) -> NoReturn:
    """Leave nothing behind and end at once.

    A compilation under way cannot be interrupted, and the interpreter would wait for its thread.
    """
    socket.unlink(missing_ok=True)
    sys.stderr.flush()
    os._exit(0)


def _bind_tcp(server: aio.Server, arguments: argparse.Namespace) -> int | None:
    """Serve on TCP too, where that was asked for; on which port."""
    if arguments.listen is None:
        return None
    if arguments.credentials is None:
        raise CredentialsError("--credentials", "a node on TCP needs them")
    return bind_secured(server, arguments.listen, read_credentials(arguments.credentials))


def _announce(port: int | None) -> None:
    """Say that the node is ready, and on which TCP port.

    Whatever else is printed goes where errors go.
    """
    with contextlib.suppress(BrokenPipeError):  # whoever waited for it is gone
        os.write(1, b"ready\n" if port is None else f"ready {port}\n".encode())
    os.dup2(2, 1)
