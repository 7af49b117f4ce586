"""The end of a deployment from outside: asked of its orchestrator, or done in its place.

Owns the way when no orchestrator runs, because it was killed: what is declared is its end from then
on, its pods are asked to end, and so is its node. Doing it twice does no harm.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from orchestrator.backends.choice import open_backend
from orchestrator.backends.embedded import EmbeddedBackend
from orchestrator.backends.processes import find_node, lock_holder
from orchestrator.backends.ray.record import read_record
from orchestrator.codec import DeploymentClient, DeploymentLostError, NodeClient, NodeLostError
from orchestrator.codec.errors import NodeRefusedError
from orchestrator.desired.declaration import at_end
from orchestrator.store.state import DeploymentRunningError, StateFolderError, answers
from orchestrator.store.store import Store, StoreError
from pod_node.status import PodState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.store.state import DeploymentFolder
    from orchestrator.views.progress import Progress

TURN_S = 30.0
"""How long to wait for an orchestrator that starts or ends."""
RETRY_S = 0.05
ANSWER_S = 5.0
"""How long a node may take to say what it runs."""


async def take_down(
    folder: DeploymentFolder,
    grace_s: float | None,
    show: Callable[[Progress], None],
    notice: Callable[[str], None],
) -> bool:
    """End a deployment, whoever runs it; say whether there was anything to end.

    Args:
        folder: The deployment's folder.
        grace_s: How long pods may take to end by themselves; None leaves it to their services.
        show: Takes progress.
        notice: Takes remarks.

    Raises:
        DeploymentRunningError: a process that does not answer holds the deployment.
    """
    waited = 0.0
    was_running = False
    while True:
        if answers(folder.control_socket):
            was_running = True
            await _ask(folder, grace_s, show)
        try:
            with folder.hold():
                return await _end(folder, grace_s, notice) or was_running
        except DeploymentRunningError:
            if waited >= TURN_S:
                raise
        waited += RETRY_S
        await asyncio.sleep(RETRY_S)


def remove_volumes(folder: DeploymentFolder) -> list[str]:
    """Remove the named volumes of a deployment that does not run; name them.

    Raises:
        DeploymentRunningError: it runs.
        StateFolderError: one of them cannot be removed.
    """
    with folder.hold():
        names = sorted(path.name for path in _volumes(folder.volumes))
        for name in names:
            try:
                shutil.rmtree(folder.volumes / name)
            except OSError as error:
                reason = error.strerror or str(error)
                raise StateFolderError(str(folder.volumes / name), reason) from error
    return names


def is_running(folder: DeploymentFolder) -> bool:
    """Whether a deployment has an orchestrator or a node."""
    node = find_node(folder.path)
    if node is not None:
        node.close()
        return True
    return lock_holder(folder.path / "lock") is not None


def _volumes(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


async def _ask(
    folder: DeploymentFolder, grace_s: float | None, show: Callable[[Progress], None]
) -> None:
    """Ask the orchestrator; when it is gone before it has answered, the rest is for us to do."""
    with suppress(DeploymentLostError):
        async with (
            DeploymentClient(folder.control_socket) as client,
            aclosing(client.down(grace_s)) as steps,
        ):
            async for step in steps:
                show(step)


async def _end(
    folder: DeploymentFolder, grace_s: float | None, notice: Callable[[str], None]
) -> bool:
    """Do what an orchestrator would; say whether there was a node."""
    try:
        if folder.database.exists():
            with Store.open(folder.database) as store:
                store.save(at_end(store.load()))
                store.forget_restarts()
    except StoreError as error:
        notice(str(error))  # the pods can end all the same
    if read_record(folder.path) is not None:
        await open_backend(folder, None, notice).end()  # its nodes are on other machines, too
        folder.control_socket.unlink(missing_ok=True)
        return True
    node = find_node(folder.path)
    if node is None:
        folder.socket.unlink(missing_ok=True)
        folder.control_socket.unlink(missing_ok=True)
        return False
    node.close()
    with suppress(NodeLostError, TimeoutError):
        await _stop_pods(folder, grace_s)
    await EmbeddedBackend(folder).end()
    folder.control_socket.unlink(missing_ok=True)
    return True


async def _stop_pods(folder: DeploymentFolder, grace_s: float | None) -> None:
    """Give pods time to end by themselves, where somebody said how much."""
    if not grace_s:
        return
    async with NodeClient(folder.socket) as client:
        async with asyncio.timeout(ANSWER_S):
            pods = await client.list_pods()
        alive = [pod.spec.name for pod in pods if pod.state is not PodState.EXITED]

        async def stop(pod: str) -> None:
            with suppress(NodeRefusedError):
                await client.stop_pod(pod, grace_s)

        async with asyncio.timeout(grace_s + ANSWER_S):
            await asyncio.gather(*map(stop, alive))
