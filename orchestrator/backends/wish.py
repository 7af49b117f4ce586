"""Where somebody wants the nodes of a deployment.

Owns whether they are on Ray, which `choice.py` acts on; loads next to nothing, since it is asked
before a node is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.backends.ray.record import read_record

if TYPE_CHECKING:
    from orchestrator.store.state import DeploymentFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RayWish:
    """Somebody wants nodes on a Ray cluster."""

    address: str = ""
    """`HOST:PORT`; empty is one that runs on this machine, or else a new one."""


def is_on_ray(folder: DeploymentFolder, wish: RayWish | None) -> bool:
    """Whether nodes are wanted on a Ray cluster, or are there already."""
    return wish is not None or read_record(folder.path) is not None
