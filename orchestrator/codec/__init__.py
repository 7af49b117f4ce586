"""The only modules of the orchestrator that know generated messages.

- `node.py` the client of a pod node, `control.py` that of a running deployment: each method is one
  call, takes and gives our own values.
- `deployment.py`, `changes.py`, `looking.py`, `times.py` values of orchestrator.v1.
- `calls.py`, `errors.py` how calls are made and fail.
"""

from orchestrator.codec.control import DeploymentClient
from orchestrator.codec.errors import (
    DeploymentLostError,
    DeploymentRefusedError,
    NodeLostError,
    NodeRefusedError,
)
from orchestrator.codec.node import NodeClient

__all__ = [
    "DeploymentClient",
    "DeploymentLostError",
    "DeploymentRefusedError",
    "NodeClient",
    "NodeLostError",
    "NodeRefusedError",
]
