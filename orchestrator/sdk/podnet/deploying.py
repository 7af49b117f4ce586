"""Starting a deployment, and finding one that runs."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.codec import DeploymentClient, DeploymentLostError
from orchestrator.errors import OrchestratorError
from orchestrator.serving.access import Certificate, RemoteAddress, split_host
from orchestrator.store.state import DeploymentFolder, answers, known_deployments, state_root
from podnet.deployment import Deployment
from podnet.errors import (
    DeploymentEndedError,
    PodnetError,
    RefusedError,
    StartError,
    translated,
)
from podnet.records import seconds
from podnet.source import read_source
from podnet.starting import running

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
    name, source = await asyncio.to_thread(read_source, topology, directory, variables or {})
    async with AsyncExitStack() as stack:
        if state is None:
            # A short path: that of a socket below it has at most 107 bytes.
            folder = tempfile.TemporaryDirectory(prefix="podnet-", ignore_cleanup_errors=True)
            root = Path(stack.enter_context(folder))
        else:
            root = _root(state)
        limit_s = seconds(timeout)
        try:
            async with asyncio.timeout(limit_s):
                client = await stack.enter_async_context(running(name, source, root))
        except TimeoutError as error:
            raise StartError(f'deployment "{name}" has not started after {limit_s:g} s') from error
        deployment = await stack.enter_async_context(Deployment(client, name, root))
        if wait:
            await deployment.wait_ready(timeout=timeout)
        yield deployment


@asynccontextmanager
async def connect(
    name: str | None = None,
    *,
    state: str | os.PathLike[str] | None = None,
    host: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tls_ca: str | os.PathLike[str] | None = None,
    tls_cert: str | os.PathLike[str] | None = None,
    tls_key: str | os.PathLike[str] | None = None,
) -> AsyncGenerator[Deployment, None]:
    """Take part in a deployment that runs; leaving the block leaves it running.

    Args:
        name: Of the deployment; None is the only one there is.
        state: The folder of all deployments; None is that of the `podnet` command.
        host: `HOST:PORT` of a deployment on another machine, in place of both.
        token_file: The token to show there.
        tls_ca: The authority of its certificate.
        tls_cert: Our certificate.
        tls_key: Its key.

    Raises:
        DeploymentEndedError: it does not run.
        RefusedError: the way to it makes no sense.
    """
    root = None
    with translated():
        if host is not None:
            where: Path | RemoteAddress = _remote(host, token_file, tls_ca, tls_cert, tls_key)
            chosen = host
        else:
            root = _root(state)
            chosen = _only(root) if name is None else name
            where = DeploymentFolder(root, chosen).control_socket
        client = DeploymentClient(where)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        try:
            found = (await client.describe()).name
            deployment = await stack.enter_async_context(Deployment(client, found, root))
        except (DeploymentLostError, DeploymentEndedError) as error:
            place = f"at {host}" if root is None else f"in {root}"
            raise DeploymentEndedError(f'no deployment "{chosen}" runs {place}') from error
        except OrchestratorError as error:
            raise RefusedError(str(error)) from error
        yield deployment


def _remote(
    host: str,
    token_file: str | os.PathLike[str] | None,
    tls_ca: str | os.PathLike[str] | None,
    tls_cert: str | os.PathLike[str] | None,
    tls_key: str | os.PathLike[str] | None,
) -> RemoteAddress:
    name, port = split_host(host)
    own = None
    if tls_cert is not None and tls_key is not None:
        own = Certificate(certificate=Path(tls_cert), key=Path(tls_key))
    return RemoteAddress(
        host=name,
        port=port,
        ca=None if tls_ca is None else Path(tls_ca),
        tls=own,
        token_file=None if token_file is None else Path(token_file),
    )


def _root(state: str | os.PathLike[str] | None) -> Path:
    return state_root(os.environ) if state is None else Path(state).absolute()


def _only(root: Path) -> str:
    folders = [DeploymentFolder(root, name) for name in known_deployments(root)]
    names = [folder.name for folder in folders if answers(folder.control_socket)]
    if len(names) != 1:
        found = f"several run: {', '.join(names)}; give a name" if names else "none runs"
        raise PodnetError(f"which deployment in {root}? {found}")
    return names[0]
