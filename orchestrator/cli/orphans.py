"""Deployments whose orchestrator was killed, and what a person can do about them.

Owns how one is recognised: nobody holds the deployment, and its node runs on, or the socket is
still there that an orchestrator takes along when it ends in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.store.state import DeploymentFolder


@dataclass(frozen=True, slots=True)
class Orphan:
    """A deployment without an orchestrator that somebody wanted to run."""

    name: str
    node_process_id: int
    """0 when the node is gone, too, and the pods with it."""

    def __str__(self) -> str:
        gone = f'the orchestrator of deployment "{self.name}" is gone, and'
        if self.node_process_id:
            return (
                f"{gone} its pods run on (node process {self.node_process_id}); "
                f'"podnet up FILE" takes them over, "podnet down {self.name}" ends them'
            )
        return (
            f"{gone} so are its node and pods; "
            f'"podnet up FILE" starts them again, "podnet down {self.name}" ends it for good'
        )


def find_orphan(folder: DeploymentFolder) -> Orphan | None:
    """Look at a deployment that does not answer; None when it ended in order, or is busy."""
    from orchestrator.backends.processes import find_node, lock_holder

    if lock_holder(folder.path / "lock") is not None:
        return None
    node = find_node(folder.path)
    if node is not None:
        node.close()
        return Orphan(folder.name, node.pid)
    return Orphan(folder.name, 0) if folder.control_socket.exists() else None
