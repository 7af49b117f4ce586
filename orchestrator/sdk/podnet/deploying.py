"""Starting a deployment, and finding one that runs."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.codec import DeploymentClient
from orchestrator.state import DeploymentFolder, known_deployments, state_root
from podnet.deployment import Deployment
from podnet.errors import DeploymentEndedError, PodnetError
from podnet.source import read_source
from podnet.starting import started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from podnet.records import Duration
    from podnet.source import TopologyLike


@asynccontextmanager
async def deploy(
    topology: TopologyLike,
    *,
    wait: bool = True,
    timeout: Duration = 120.0,  # noqa: ASYNC109 - part of the interface
    state: str | os.PathLike[str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncGenerator[Deployment, None]:
    """Start a topology, and take it down with the block; nothing is left behind.

    Args:
        topology: A path, a text, or a dict of what a text would say.
        wait: Whether to wait until all pods are ready.
        timeout: How long to wait. The first start on a machine fetches and compiles images.
        state: The folder of all deployments; None is a new one that goes with the block. With
            the one of the `podnet` command, its verbs see this deployment, too.
        directory: Where relative paths of a text or a dict start; None is the current one.
        variables: Values for `${NAME}` in the topology besides those of the environment.

    Raises:
        InvalidTopologyError: the topology has mistakes.
        StartError: the deployment could not be started.
        NotReadyError: pods did not become ready; the message says which, and why.
    """
    source = await asyncio.to_thread(read_source, topology, directory, variables or {})
    async with AsyncExitStack() as stack:
        if state is None:
            # A short path: that of a socket below it has at most 107 bytes.
            folder = tempfile.TemporaryDirectory(prefix="podnet-", ignore_cleanup_errors=True)
            root = Path(stack.enter_context(folder))
        else:
            root = _root(state)
        starting = await stack.enter_async_context(started(source, root))
        await starting.serving()
        client = await stack.enter_async_context(DeploymentClient(starting.control_socket))
        deployment = Deployment(client, source.name, root)
        await starting.unless_it_ends(_entered(stack, deployment))
        if wait:
            await starting.unless_it_ends(deployment.wait_ready(timeout=timeout))
        yield deployment


@asynccontextmanager
async def connect(
    name: str | None = None, *, state: str | os.PathLike[str] | None = None
) -> AsyncGenerator[Deployment, None]:
    """Take part in a deployment that runs; leaving the block leaves it running.

    Args:
        name: Of the deployment; None is the only one there is.
        state: The folder of all deployments; None is that of the `podnet` command.

    Raises:
        DeploymentEndedError: it does not run.
    """
    root = _root(state)
    chosen = _only(root) if name is None else name
    socket = DeploymentFolder(root, chosen).control_socket
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(DeploymentClient(socket))
        deployment = Deployment(client, chosen, root)
        try:
            await _entered(stack, deployment)
        except DeploymentEndedError as error:
            raise DeploymentEndedError(f'no deployment "{chosen}" runs in {root}') from error
        yield deployment


async def _entered(stack: AsyncExitStack, deployment: Deployment) -> None:
    await stack.enter_async_context(deployment)


def _root(state: str | os.PathLike[str] | None) -> Path:
    return state_root(os.environ) if state is None else Path(state).absolute()


def _only(root: Path) -> str:
    names = [name for name in known_deployments(root) if (root / name / "control.sock").exists()]
    if len(names) != 1:
        found = f"several run: {', '.join(names)}; give a name" if names else "none runs"
        raise PodnetError(f"which deployment in {root}? {found}")
    return names[0]
