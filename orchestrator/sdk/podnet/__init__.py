"""podnet from Python: start a topology, talk to its pods, break its network, look at what happens.

    async with podnet.deploy("shop.yaml") as shop:
        answer = await shop.service("web").http.get("/")

- `deploying.py` `deploy` and `connect`, `starting.py` the process that runs a deployment
- `deployment.py` a running deployment; `members.py` its services and pods, `shaping.py` its links
  and faults, `records.py` log lines and events
- `running.py` programs beside a pod's own; `transport.py` HTTP into the virtual network, for httpx
- `errors.py` what can go wrong; `pytest_plugin.py`, `fixtures.py` the plugin for pytest

Names are imported when they are first used: the plugin is loaded by every pytest where podnet is
installed, and must cost nothing where it is not used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podnet.deploying import connect, deploy
    from podnet.deployment import Deployment
    from podnet.errors import (
        DeploymentEndedError,
        ExecError,
        InvalidTopologyError,
        NotReadyError,
        PodnetError,
        RefusedError,
        StartError,
    )
    from podnet.members import Pod, Service
    from podnet.records import Event, LogLine
    from podnet.running import CompletedExec
    from podnet.shaping import Fault, Link

_HOMES = {
    "CompletedExec": "running",
    "Deployment": "deployment",
    "DeploymentEndedError": "errors",
    "Event": "records",
    "ExecError": "errors",
    "Fault": "shaping",
    "InvalidTopologyError": "errors",
    "Link": "shaping",
    "LogLine": "records",
    "NotReadyError": "errors",
    "Pod": "members",
    "PodnetError": "errors",
    "RefusedError": "errors",
    "Service": "members",
    "StartError": "errors",
    "connect": "deploying",
    "deploy": "deploying",
}

__all__ = [
    "CompletedExec",
    "Deployment",
    "DeploymentEndedError",
    "Event",
    "ExecError",
    "Fault",
    "InvalidTopologyError",
    "Link",
    "LogLine",
    "NotReadyError",
    "Pod",
    "PodnetError",
    "RefusedError",
    "Service",
    "StartError",
    "connect",
    "deploy",
]


def __getattr__(name: str) -> object:
    """Import a name from its module."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'podnet' has no attribute {name!r}")
    return getattr(importlib.import_module(f"podnet.{home}"), name)
