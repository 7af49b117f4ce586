"""The process that runs a deployment for as long as somebody wants it.

Owns starting it and ending it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from podnet.errors import DeploymentEndedError, StartError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from podnet.source import Source

STOP_S = 10.0
"""How long an orderly end may take."""
POLL_S = 0.01
"""Between two looks for the socket of a deployment that is starting; nobody tells of it."""

T = TypeVar("T")


class Starting:
    """A process that runs one deployment."""

    def __init__(self, process: Process, control_socket: Path) -> None:
        self._process = process
        self._said = bytearray()
        self.control_socket = control_socket

    async def serving(self) -> None:
        """Wait until it takes calls.

        Raises:
            StartError: it ended instead.
        """
        while not self.control_socket.exists():
            if self._process.returncode is not None:
                await self._raise_end()
            await asyncio.sleep(POLL_S)

    async def unless_it_ends(self, work: Coroutine[None, None, T]) -> T:
        """Do something for which it must run.

        Raises:
            StartError: it ended before.
        """
        loop = asyncio.get_running_loop()
        working = loop.create_task(work)
        ending = loop.create_task(self._process.wait())
        try:
            await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await self._raise_end()
            try:
                return await working
            except DeploymentEndedError:
                async with asyncio.timeout(STOP_S):
                    await ending  # it has more to say about its end than its socket
                await self._raise_end()
        finally:
            for task in (working, ending):
                task.cancel()
            await asyncio.wait([working, ending])

    async def _raise_end(self) -> NoReturn:
        assert self._process.stderr is not None, "it was started with a pipe"
        said = (await self._process.stderr.read()).decode("utf-8", "replace")
        _, found, error = said.rpartition("error: ")
        raise StartError(error.strip() if found else said.strip() or "the deployment ended")


@asynccontextmanager
async def started(source: Source, root: Path) -> AsyncGenerator[Starting, None]:
    """Run a deployment for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "orchestrator.cli.main", "up", "--no-qr"),
        source.path or "-",
        stdin=DEVNULL if source.path else PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        cwd=source.directory,
        env={**source.variables, "PODNET_STATE": os.fspath(root)},
        start_new_session=True,
    )
    try:
        if process.stdin is not None:
            process.stdin.write(source.text.encode())
            process.stdin.close()
        yield Starting(process, root / source.name / "control.sock")
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.communicate()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
