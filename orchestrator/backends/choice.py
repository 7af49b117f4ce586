"""Which backend a deployment has.

Owns the choice: Ray where somebody asks for it or where the deployment's nodes are on it already,
else one node on this machine. Ray is imported only when it is chosen.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.backends import embedded
from orchestrator.backends.ray.environment import prepare
from orchestrator.backends.ray.errors import NoClusterError, RayMissingError
from orchestrator.backends.ray.record import read_record
from orchestrator.backends.wish import is_on_ray

if TYPE_CHECKING:
    from orchestrator.backends.backend import Backend
    from orchestrator.backends.starting import StartingNode
    from orchestrator.backends.wish import RayWish
    from orchestrator.placement.values import NodeOffer
    from orchestrator.store.state import DeploymentFolder

NEEDED = ("ray", "cryptography")


def open_backend(
    folder: DeploymentFolder,
    wish: RayWish | None,
    notice: Callable[[str], None],
    node: StartingNode | None = None,
) -> Backend:
    """Choose a backend.

    Args:
        folder: The deployment's folder.
        wish: What somebody wants; None leaves it to what there is.
        notice: Takes lines for whoever watches.
        node: A node that was started on this machine for it.

    Raises:
        RayMissingError: Ray is wanted and not installed.
        NoClusterError: no cluster answers.
    """
    if not is_on_ray(folder, wish):
        return embedded.EmbeddedBackend(folder, node)
    record = read_record(folder.path)
    _require_ray()
    wished = wish.address if wish is not None else ""
    address = prepare(wished or ("" if record is None else record.address), os.environ)
    from orchestrator.backends.ray.backend import RayBackend

    return RayBackend(folder, notice, address=address)


def look_at_cluster(address: str) -> list[NodeOffer]:
    """Say what the machines of a Ray cluster offer; nothing is started there.

    Args:
        address: `HOST:PORT`; empty is one that runs on this machine.

    Raises:
        RayMissingError: Ray is not installed.
        NoClusterError: no cluster answers.
    """
    _require_ray()
    found = prepare(address, os.environ)
    if not found:
        raise NoClusterError("this machine", "none runs here")
    from orchestrator.backends.ray import actors
    from orchestrator.backends.ray.naming import offer_of

    actors.connect(found)
    try:
        return [offer_of(machine) for machine in actors.machines() if machine.cpus > 0]
    finally:
        actors.disconnect()


def _require_ray() -> None:
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise RayMissingError
