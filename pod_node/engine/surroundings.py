"""What all pods of a runtime share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from pod_node.engine.fabric import Fabric
    from pod_node.engine.signals import Signals
    from vnet.host import Watches


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The fabric, and what the node has around it."""

    fabric: Fabric
    watches: Watches
    signals: Signals
    loop: asyncio.AbstractEventLoop
