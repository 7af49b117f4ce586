"""A pod node as a child process of the command that needs it.

Owns the process: starting it, knowing when it is ready, ending it, and what it said last. The node
ends by itself when this process does, however that ends, because its standard input ends then.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from orchestrator.backends.backend import NodeDiedError
from orchestrator.codec import NodeClient
from orchestrator.state import StateFolderError
from pod_node.files import remove_roots

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from orchestrator.state import DeploymentFolder

STOP_S = 2.0
"""How long an orderly end may take; a node gives its guests one second of it."""
READY = b"ready\n"
LAST_LINES = 4
LAST_BYTES = 8192
"""How much of the node's log goes into an error; the error names the file for the rest."""


class EmbeddedBackend:
    """Runs a pod node below this process."""

    def __init__(self, folder: DeploymentFolder) -> None:
        self._folder = folder
        self._process: Process | None = None

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[NodeClient, None]:
        """Start the node, and end it and its pods with the block.

        Raises:
            NodeDiedError: it ended before it was ready.
        """
        process = await self._spawn()
        self._process = process
        try:
            assert process.stdout is not None, "the process was started with a pipe"
            if await process.stdout.readline() != READY:
                raise await self.death()
            async with NodeClient(self._folder.socket) as client:
                yield client
        finally:
            await _end(process)
            self._folder.socket.unlink(missing_ok=True)
            await asyncio.to_thread(remove_roots, self._folder.path)

    async def death(self) -> NodeDiedError:
        """Wait for the node's end and say what is known about it."""
        assert self._process is not None, "the node was started"
        cause = _cause(await self._process.wait())
        return NodeDiedError(cause, str(self._folder.node_log), self._last_lines())

    def kill(self) -> None:
        """End the node at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _spawn(self) -> Process:
        # -P: what lies in the current folder must not stand in for a module of ours.
        command = (sys.executable, "-P", "-m", "pod_node")
        folder = self._folder
        try:
            log = folder.node_log.open("wb")
        except OSError as error:
            raise StateFolderError(str(folder.path), error.strerror or str(error)) from error
        with log:
            return await asyncio.create_subprocess_exec(
                *command,
                "--socket",
                str(folder.socket),
                "--state",
                str(folder.path),
                "--until-eof",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us to handle
            )

    def _last_lines(self) -> tuple[str, ...]:
        with self._folder.node_log.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return tuple(line.rstrip() for line in lines if line.strip())[-LAST_LINES:]


async def _end(process: Process) -> None:
    """End the process in order, and by force when that takes too long."""
    assert process.stdin is not None, "the process was started with a pipe"
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    hint = "; the machine may be out of memory" if -status == signal.SIGKILL else ""
    return f"signal {signal.Signals(-status).name}{hint}"
