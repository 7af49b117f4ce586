"""What a node and its pods use.

Owns the values, and the reading of what Linux counts for the process in `/proc/self`; what a single
pod uses is the runtime's to know.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """Use of resources by this process at one moment."""

    time_s: float
    """When, in seconds since the epoch."""
    resident_bytes: int
    cpu_time_s: float
    memory_maps: int
    """Linux refuses new ones beyond `vm.max_map_count`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """Use of resources by one pod at one moment."""

    pod: str
    cpu_time_s: float = 0.0
    """Of its guest, since it started."""
    throttled_s: float = 0.0
    """How long its guest has waited because its share of a processor was used up."""
    memory_bytes: int = 0
    """Linear memory of its guests; 0 when not known."""
    memory_limit_bytes: int = 0
    fabric_bytes: int = 0
    """Of the fabric, for its sockets and pipes."""
    fabric_limit_bytes: int = 0
    sockets: int = 0
    sockets_limit: int = 0
    descriptors: int = 0
    """Open ones of all its processes."""
    descriptors_limit: int = 0
    """Of each process."""
    processes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalUsage:
    """What went through one portal since it was opened."""

    service: str
    port: int
    connections: int = 0
    """Open now."""
    requests: int = 0
    responses: tuple[int, int, int, int] = (0, 0, 0, 0)
    """From pods, by the first digit of their status, from 2 to 5."""
    failures: int = 0
    """Requests that no pod answered usably."""
    refused: int = 0
    """Requests and connections that broke a rule or a limit."""
    websockets: int = 0
    received_bytes: int = 0
    """From clients."""
    sent_bytes: int = 0
    latency_counts: tuple[int, ...] = ()
    """Requests by how long they took; see `vnet.latency.BOUNDS_S`."""
    latency_sum_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """Use of resources by a node at one moment."""

    process: ProcessUsage
    running_pods: int
    fabric_used_bytes: int
    fabric_limit_bytes: int
    pods: tuple[PodUsage, ...] = ()
    """Those that run."""
    portals: tuple[PortalUsage, ...] = ()


def process_usage() -> ProcessUsage:
    """Read what this process uses; takes milliseconds when there are many memory maps."""
    resident_pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return ProcessUsage(
        time_s=time.time(),
        resident_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
        cpu_time_s=time.process_time(),
        memory_maps=Path("/proc/self/maps").read_bytes().count(b"\n"),
    )
