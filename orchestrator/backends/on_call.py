"""A pod node process that is started before anybody knows which node it is to be.

Owns it until it is told, or dismissed: it loads what it needs while whoever started it reads a
topology, which is why this module loads next to nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class NodeOnCall:
    """A node process without a folder."""

    def __init__(self, pid: int, tells: int, says: int) -> None:
        self._pid = pid
        self._tells = tells
        self._says = says
        self._waits = True

    def call(self, arguments: Sequence[str], log: Path) -> tuple[int, int] | None:
        """Say which node it is; its process id and the pipe with what it says are the caller's.

        Args:
            arguments: As on a command line.
            log: Where it is to write what goes wrong.

        Returns:
            None when it was called or dismissed before.

        Raises:
            OSError: the log cannot be written.
        """
        if not self._waits:
            return None
        log.open("wb").close()
        self._waits = False
        told = json.dumps([*arguments, "--log", str(log)]) + "\n"
        with suppress(BrokenPipeError):  # it has ended: what it says will end, too
            os.write(self._tells, told.encode())
        os.close(self._tells)
        return self._pid, self._says

    def dismiss(self) -> None:
        """End it, if nobody has called it."""
        if self._waits:
            self._waits = False
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._tells)
            os.close(self._says)


@contextmanager
def node_on_call() -> Iterator[NodeOnCall]:
    """Start a node process that ends with the block unless it is called."""
    heard, tells = os.pipe()
    says, said = os.pipe()
    try:
        # -P: what lies in the current folder must not stand in for a module of ours.
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "pod_node", "--on-call"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, heard, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,  # Ctrl-C is for us to handle
            setsigdef=(signal.SIGPIPE,),
        )
    except BaseException:
        os.close(tells)
        os.close(says)
        raise
    finally:
        os.close(heard)
        os.close(said)
    node = NodeOnCall(pid, tells, says)
    try:
        yield node
    finally:
        node.dismiss()
