"""The links of one fabric that have rates, for nodes to share.

Owns the layout of `struct use_batch`, `struct link_use` and `struct link_share`
(`pod_node/kernel/host_shares.c`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from vnet.trunk.frames import LinkWay
from vnet.trunk.shares import LinkUse

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.network_tables import NetworkTables

_BATCH = struct.Struct("<2I")
_USE = struct.Struct("<2Q6I")
_MARKS = 256
"""LINK_FLOW_MARKS"""
_SHARE = struct.Struct("<3I")
_BACKWARD, _ACCESS = 1, 2


class FabricLinks:
    """One fabric's links, as `vnet.trunk.LinkSwitch` has them."""

    def __init__(self, fabric: Fabric, tables: NetworkTables) -> None:
        """Take what it needs.

        Args:
            fabric: The kernel.
            tables: Tells the numbers of links.
        """
        self._fabric = fabric
        self._tables = tables

    def has_rates(self) -> bool:
        """Whether any link has a rate."""
        return self._tables.has_rates

    def take_uses(self) -> list[LinkUse]:
        """Say what was sent over which link since the last time."""
        fabric = self._fabric
        names = {number: name for name, number in self._tables.links.items()}
        uses: list[LinkUse] = []
        cursor = 0
        while True:
            call = fabric.control.function("host_link_uses", 3)
            call.call(cursor, fabric.staging, fabric.staging_size)
            cursor, count = _BATCH.unpack_from(fabric.view, fabric.staging)
            start = fabric.staging + _BATCH.size
            records = fabric.view[start : start + count * _USE.size]
            uses += [_use(names, record) for record in _USE.iter_unpack(records)]
            if not cursor:
                return uses

    def limit(self, shares: Mapping[LinkWay, int]) -> None:
        """Have no more than these parts of their rates; links that are not there are left out."""
        fabric = self._fabric
        records = self._share_records(shares)
        most = fabric.staging_size // _SHARE.size
        while batch := b"".join(islice(records, most)):
            fabric.view[fabric.staging : fabric.staging + len(batch)] = batch
            call = fabric.control.function("host_link_shares", 2)
            call.call(fabric.staging, len(batch) // _SHARE.size)

    def _share_records(self, shares: Mapping[LinkWay, int]) -> Iterator[bytes]:
        links = self._tables.links
        for way, share in shares.items():
            if way.address:
                yield _SHARE.pack(way.address, _ACCESS, share)
            elif way.link in links:
                yield _SHARE.pack(links[way.link], int(way.backward), share)


def _use(names: Mapping[int, str], record: tuple[int, ...]) -> LinkUse:
    sent, rate, number, direction, queued, marks, busy, _ = record
    is_access = direction == _ACCESS
    way = LinkWay(
        "" if is_access else names[number], direction == _BACKWARD, number if is_access else 0
    )
    return LinkUse(
        way=way,
        rate_bit_s=rate,
        sent_bytes=sent,
        flows=max(queued, _flows_of(marks)),
        is_busy=bool(busy),
    )


def _flows_of(marks: int) -> float:
    """Say how many flows leave so many marks: linear counting (Whang et al., 1990)."""
    return -_MARKS * math.log1p(-min(marks, _MARKS - 1) / _MARKS)
