"""The only modules of the orchestrator that know generated messages.

- `node.py` the client of a pod node, `control.py` that of a running deployment (`client/`): each
  method is one call, takes and gives our own values.
- `deployment.py`, `events.py`, `changes.py`, `looking.py`, `portals.py` values of orchestrator.v1.
- `calls.py`, `errors.py` how calls are made and fail; `conversing.py`, `programs.py`,
  `connection.py` those in which both sides go on talking.

Each is loaded when it is first asked for: a command needs few of them, and waits for all it loads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
_HOMES = {"DeploymentClient": "control", "NodeClient": "node"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value: object = getattr(home, name)
    return value
