"""The orchestrator that runs a deployment for as long as somebody here wants it.

Owns starting it, sending it the topology, and ending it. It has a pipe from this process as its
standard input: when this process ends, however that happens, the pipe ends, and the orchestrator
takes everything down.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from orchestrator.codec import DeploymentClient, DeploymentLostError
from orchestrator.errors import OrchestratorError
from orchestrator.process.spawning import last_lines, start_background, wait_for_control
from orchestrator.store.state import DeploymentFolder, answers
from orchestrator.views.progress import Started
from podnet.errors import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from orchestrator.topology.source import TopologySource

STOP_S = 15.0
"""How long an orderly end may take; pods get two seconds of it."""


@asynccontextmanager
async def running(
    name: str, source: TopologySource, root: Path
) -> AsyncGenerator[DeploymentClient, None]:
    """Run a deployment for as long as the block lasts; begins when its pods have been started.

    Raises:
        StartError: it could not be started.
    """
    folder = DeploymentFolder(root, name)
    if answers(folder.control_socket):
        raise StartError(
            f'deployment "{name}" runs already in {root}; connect to it, or give this one another '
            "name or another state folder"
        )
    try:
        process = await asyncio.to_thread(start_background, folder, until_eof=True)
    except OrchestratorError as error:
        raise StartError(str(error)) from error
    try:
        async with DeploymentClient(folder.control_socket) as client:
            try:
                await wait_for_control(folder, process)
                await _apply(client, source)
            except DeploymentLostError as error:
                said = "".join(f"\n  | {line}" for line in last_lines(folder.log))
                raise StartError(f"{error}; its last words:{said}") from error
            except OrchestratorError as error:
                raise StartError(str(error)) from error
            yield client
    finally:
        await asyncio.to_thread(_end, process)


async def _apply(client: DeploymentClient, source: TopologySource) -> None:
    async with aclosing(client.apply(source)) as steps:
        async for step in steps:
            if isinstance(step, Started):
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None, "it was started with a pipe"
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
