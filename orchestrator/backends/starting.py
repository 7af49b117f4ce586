"""A pod node process in its first moments.

Owns how it is started, and whose it is until a backend takes it: it loads what it needs while we
load what we need, which is why this module loads next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.backends.processes import FoundProcess, find_node
from orchestrator.backends.wish import is_on_ray
from orchestrator.state import StateFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.backends.wish import RayWish
    from orchestrator.state import DeploymentFolder


class StartingNode:
    """A node that was started and did not say yet that it is ready."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self._process: FoundProcess | None = FoundProcess(pid, os.pidfd_open(pid))
        self._output = output

    def take(self) -> tuple[FoundProcess, int]:
        """Make the process and the pipe with what it says first the caller's own."""
        assert self._process is not None, "it is taken once"
        process, self._process = self._process, None
        return process, self._output

    @property
    def waits(self) -> bool:
        """Whether nobody took it yet."""
        return self._process is not None

    def discard(self) -> None:
        """End it if nobody took it."""
        if self._process is not None:
            process, output = self.take()
            process.send(signal.SIGKILL)
            process.collect()
            process.close()
            os.close(output)


@contextmanager
def node_ahead(
    folder: DeploymentFolder, wish: RayWish | None = None
) -> Iterator[StartingNode | None]:
    """Start a node unless one runs; it ends with the block when no backend takes it.

    None is started when the nodes are to be on a Ray cluster.

    The caller holds the folder's lock.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    if is_on_ray(folder, wish):
        yield None
        return
    found = find_node(folder.path)
    if found is not None:
        found.close()
        yield None
        return
    starting = start_node(folder)
    try:
        yield starting
    finally:
        starting.discard()


def start_node(folder: DeploymentFolder) -> StartingNode:
    """Start a node.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    reading, writing = os.pipe()
    try:
        return StartingNode(_spawn(folder, writing), reading)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)


def _spawn(folder: DeploymentFolder, output: int) -> int:
    """Start a node that outlives us; whatever is not named here is closed to it."""
    # -P: what lies in the current folder must not stand in for a module of ours.
    command = [sys.executable, "-P", "-m", "pod_node"]
    arguments = ["--socket", str(folder.socket), "--state", str(folder.path)]
    try:
        log = folder.node_log.open("wb")
    except OSError as error:
        raise StateFolderError(str(folder.path), error.strerror or str(error)) from error
    with log:
        return os.posix_spawn(
            sys.executable,
            command + arguments,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsid=True,  # Ctrl-C is for us to handle
            setsigdef=(signal.SIGPIPE,),
        )
