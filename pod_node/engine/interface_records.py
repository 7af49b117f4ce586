"""Interfaces as the kernel reports them.

Owns the layout of `struct interface_batch` and `struct interface_record`
(`pod_node/kernel/host_interfaces.c`). Pure.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.statistics import InterfaceStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BATCH = struct.Struct("<2I")
_RECORD = struct.Struct("<9Q2I64s")


def unpack_interfaces(
    batch: memoryview, networks: Mapping[int, str]
) -> tuple[int, Iterator[InterfaceStatistics]]:
    """Read one batch: the cursor of the next one, 0 at the end, and its interfaces.

    Args:
        batch: What the kernel wrote.
        networks: Names by the kernel's numbers.
    """
    following, count = _BATCH.unpack_from(batch)
    end = _BATCH.size + count * _RECORD.size
    records = _RECORD.iter_unpack(batch[_BATCH.size : end])
    return following, (_interface(record, networks) for record in records)


def _interface(fields: tuple[int | bytes, ...], networks: Mapping[int, str]) -> InterfaceStatistics:
    *numbers, pod = fields
    assert isinstance(pod, bytes)
    *counters, address, network = map(int, numbers)
    return InterfaceStatistics(
        address=IPv4Address(address),
        network=networks[network],
        pod=pod.split(b"\0")[0].decode(errors="replace"),
        received_bytes=counters[0],
        sent_bytes=counters[1],
        received_datagrams=counters[2],
        sent_datagrams=counters[3],
        received_echoes=counters[4],
        sent_echoes=counters[5],
        dropped_datagrams=counters[6],
        cut_packets=counters[7],
        denied=counters[8],
    )
