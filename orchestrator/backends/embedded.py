"""A pod node as a process of its own on this machine.

Owns the process: finding one that runs already, having one started, knowing when it is ready,
ending it, and what it said last. The node outlives whoever started it; the next orchestrator finds
it by the lock that it holds.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.backends.backend import NodeDiedError, OneNode
from orchestrator.backends.processes import FoundProcess, end_process, find_node
from orchestrator.backends.starting import start_node
from orchestrator.codec import NodeClient, NodeLostError
from pod_node.files import remove_roots

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from orchestrator.backends.starting import StartingNode
    from orchestrator.store.state import DeploymentFolder

STOP_S = 2.0
"""How long an orderly end may take; a node gives its guests one second of it."""
ANSWER_S = 10.0
"""How long a node that was found may take to answer; one that is still starting takes a second."""
RETRY_S = 0.05
READY = b"ready\n"
LAST_LINES = 4
LAST_BYTES = 8192
"""How much of the node's log goes into an error; the error names the file for the rest."""
UNKNOWN_CAUSE = "how is not known, because another process had started it"


class EmbeddedBackend(OneNode):
    """Runs a pod node on this machine."""

    def __init__(self, folder: DeploymentFolder, starting: StartingNode | None = None) -> None:
        """Prepare.

        Args:
            folder: The deployment's folder.
            starting: A node that was started for it already.
        """
        self._folder = folder
        self._starting = starting
        self._found: FoundProcess | None = None

    @property
    def pid(self) -> int:
        """The node's process id; 0 while there is none."""
        return self._found.pid if self._found is not None else 0

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[NodeClient, None]:
        """Find the node that runs, or start one; it goes on when the block ends.

        Raises:
            NodeDiedError: it ended before it was ready.
        """
        self._forget()
        if self._starting is None:
            self._found = find_node(self._folder.path)
        if self._found is not None and not await self._answers(self._found):
            await end_process(self._found, 0.0)
            self._found.collect()
            self._forget()
        if self._found is None:
            await self._start()
        async with NodeClient(self._folder.socket) as client:
            yield client

    async def death(self) -> NodeDiedError:
        """Wait for the node's end and say what is known about it."""
        if self._found is not None:
            await self._found.wait()
        status = None if self._found is None else self._found.collect()
        cause = UNKNOWN_CAUSE if status is None else _cause(status)
        return NodeDiedError(cause, str(self._folder.node_log), self._last_lines())

    async def end(self) -> None:
        """End the node and its pods in order, soon, and by force when that takes too long."""
        found = self._found or find_node(self._folder.path)
        if found is not None:
            await end_process(found, STOP_S)
            found.collect()
            if found is not self._found:
                found.close()
        self._forget()
        self._folder.socket.unlink(missing_ok=True)
        await asyncio.to_thread(remove_roots, self._folder.path)

    def kill(self) -> None:
        """End the node at once."""
        if self._found is not None:
            self._found.send(signal.SIGKILL)

    def _forget(self) -> None:
        if self._found is not None:
            self._found.close()
        self._found = None

    async def _answers(self, found: FoundProcess) -> bool:
        """Whether a node that was found is one that can be talked to, now or in a moment."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + ANSWER_S
        while loop.time() < give_up_at and find_again(self._folder, found.pid):
            with suppress(NodeLostError, TimeoutError):
                async with (
                    asyncio.timeout(ANSWER_S),
                    NodeClient(self._folder.socket) as client,
                ):
                    await client.list_portals()
                    return True
            await asyncio.sleep(RETRY_S)
        return False

    async def _start(self) -> None:
        starting, self._starting = self._starting, None
        if starting is None or not starting.waits:
            starting = start_node(self._folder)
        self._found, output = starting.take()
        if await _first_line(output) == READY:
            return
        death = await self.death()
        if not starting.was_on_call:
            raise death
        self._forget()
        await self._start()  # once more, in a way that its log has all that it says

    def _last_lines(self) -> tuple[str, ...]:
        with self._folder.node_log.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return tuple(line.rstrip() for line in lines if line.strip())[-LAST_LINES:]


async def _first_line(descriptor: int) -> bytes:
    """Read what a process says first, from a pipe; nothing when it ends before."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return await reader.readline()
    finally:
        transport.close()


def find_again(folder: DeploymentFolder, pid: int) -> bool:
    """Whether a node still runs."""
    again = find_node(folder.path)
    if again is None:
        return False
    again.close()
    return again.pid == pid


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    hint = "; the machine may be out of memory" if -status == signal.SIGKILL else ""
    return f"signal {signal.Signals(-status).name}{hint}"
