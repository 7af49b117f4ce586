"""What went between addresses, as the kernel reports it.

Owns the layout of `struct traffic_batch` and `struct traffic_pair` (`vnet/fabric/pods/traffic.h`).
Pure.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.statistics import TrafficStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = struct.Struct("<2I")
_RECORD = struct.Struct("<Q2I")


def unpack_traffic(batch: memoryview) -> tuple[int, Iterator[TrafficStatistics]]:
    """Read one batch: the cursor of the next one, 0 at the end, and its pairs."""
    following, count = _BATCH.unpack_from(batch)
    end = _BATCH.size + count * _RECORD.size
    return following, (
        TrafficStatistics(source=IPv4Address(source), target=IPv4Address(target), bytes=size)
        for size, source, target in _RECORD.iter_unpack(batch[_BATCH.size : end])
    )
