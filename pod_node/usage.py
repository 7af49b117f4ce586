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


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """Use of resources by a node at one moment."""

    process: ProcessUsage
    running_pods: int
    fabric_used_bytes: int
    fabric_limit_bytes: int
    pods: tuple[PodUsage, ...] = ()
    """Those that run."""


def process_usage() -> ProcessUsage:
    """Read what this process uses; takes milliseconds when there are many memory maps."""
    resident_pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return ProcessUsage(
        time_s=time.time(),
        resident_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
        cpu_time_s=time.process_time(),
        memory_maps=Path("/proc/self/maps").read_bytes().count(b"\n"),
    )
