"""A pod node process in its first moments.

Owns how it is started, and whose it is until a backend takes it: it loads what it needs while we
load what we need.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.backends.processes import FoundProcess, find_node
from orchestrator.backends.wish import is_on_ray
from orchestrator.store.state import StateFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.backends.on_call import NodeOnCall
    from orchestrator.backends.wish import RayWish
    from orchestrator.store.state import DeploymentFolder


class StartingNode:
    """A node that was started and did not say yet that it is ready."""

    def __init__(self, pid: int, output: int, *, was_on_call: bool = False) -> None:
        self.pid = pid
        self.was_on_call = was_on_call
        """Whether it began before it knew which node it is; then nobody has heard its first words.
        """
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
    folder: DeploymentFolder, wish: RayWish | None = None, on_call: NodeOnCall | None = None
) -> Iterator[StartingNode | None]:
    """Start a node unless one runs; it ends with the block when no backend takes it.

    None is started when the nodes are to be on a Ray cluster.

    The caller holds the folder's lock.

    Args:
        folder: The deployment's folder.
        wish: A Ray cluster that its nodes are to be on.
        on_call: A process that can become the node.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    if is_on_ray(folder, wish) or _is_running(folder):
        if on_call is not None:
            on_call.dismiss()
        yield None
        return
    starting = start_node(folder, on_call)
    try:
        yield starting
    finally:
        starting.discard()


def _is_running(folder: DeploymentFolder) -> bool:
    found = find_node(folder.path)
    if found is not None:
        found.close()
    return found is not None


def start_node(folder: DeploymentFolder, on_call: NodeOnCall | None = None) -> StartingNode:
    """Start a node, or have one that is on call become it.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    arguments = ["--socket", str(folder.socket), "--state", str(folder.path)]
    try:
        called = None if on_call is None else on_call.call(arguments, folder.node_log)
        if called is not None:
            return StartingNode(*called, was_on_call=True)
        return _spawn(arguments, folder)
    except OSError as error:
        raise StateFolderError(str(folder.path), error.strerror or str(error)) from error


def _spawn(arguments: list[str], folder: DeploymentFolder) -> StartingNode:
    """Start a node that outlives us; whatever is not named here is closed to it."""
    reading, writing = os.pipe()
    try:
        with folder.node_log.open("wb") as log:
            pid = os.posix_spawn(
                sys.executable,
                # -P: what lies in the current folder must not stand in for a module of ours.
                [sys.executable, "-P", "-m", "pod_node", *arguments],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writing, 1),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
                ],
                setsid=True,  # Ctrl-C is for us to handle
                setsigdef=(signal.SIGPIPE,),
            )
        return StartingNode(pid, reading)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
