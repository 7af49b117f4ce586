"""What a machine has for pods.

Owns the reading of this machine; what is made of it is `placement/`'s business.
"""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.placement.values import MAPS_DEFAULT, NodeOffer, pods_most

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAP_COUNT = Path("/proc/sys/vm/max_map_count")


def this_machine(
    name: str,
    *,
    cpus: float | None = None,
    memory_bytes: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> NodeOffer:
    """Say what this machine offers, as the node of that name.

    Args:
        name: The node's.
        cpus: Processors, where it is to be told and not counted.
        memory_bytes: Memory, likewise.
        labels: The node's.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return NodeOffer(
        name=name,
        hostname=socket.gethostname(),
        cpus=float(len(os.sched_getaffinity(0))) if cpus is None else cpus,
        memory_bytes=total if memory_bytes is None else memory_bytes,
        pods_most=pods_most(map_count()),
        labels=dict(labels or {}),
        system=platform.system().lower(),
        architecture=platform.machine(),
    )


def map_count() -> int:
    """Say how many memory maps a process of this machine may have."""
    try:
        return int(_MAP_COUNT.read_text("ascii"))
    except (OSError, ValueError):
        return MAPS_DEFAULT
