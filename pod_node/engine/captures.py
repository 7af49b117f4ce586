"""Captures on the node's side: packets as the fabric's rings hand them out.

Owns a capture's descriptor from its opening to its end. Runs on the event loop's thread; nothing
is done while nothing is seen.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vnet.capture import CaptureBatch, read_records
from vnet.host.watches import Event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from ipaddress import IPv4Address

    from pod_node.engine.fabric import Fabric
    from vnet.host import Watches

RING_BYTES = 4 << 20
"""Holds a few milliseconds of a fast flow; what a slow reader misses is counted."""
_FORWARD, _BACKWARD = 1, 2


class Capture:
    """One ring, and what it listens to."""

    def __init__(self, fabric: Fabric, watches: Watches, descriptor: int) -> None:
        self._fabric = fabric
        self._watches = watches
        self._descriptor = descriptor
        self._lost = 0

    def listen_to_interface(self, address: IPv4Address) -> None:
        """Add what an interface sends and receives.

        Raises:
            OSError: nobody has the address.
        """
        self._fabric.call("host_capture_interface", self._descriptor, int(address))

    def listen_to_link(self, number: int, *, forward: bool, backward: bool) -> None:
        """Add what crosses a link of the kernel's.

        Raises:
            OSError: there is no such link.
        """
        directions = _FORWARD * forward | _BACKWARD * backward
        self._fabric.call("host_capture_link", self._descriptor, number, directions)

    async def batches(self) -> AsyncGenerator[CaptureBatch, None]:
        """Yield packets as soon as they are there, without an end."""
        ready = asyncio.Event()
        while True:
            batch = self._read()
            if batch.packets or batch.lost:
                yield batch
                continue
            ready.clear()
            self._watches.watch(self._descriptor, Event.READ, ready.set)
            await ready.wait()

    def _read(self) -> CaptureBatch:
        fabric = self._fabric
        data = fabric.read(self._descriptor, fabric.staging_size) or b""
        packets = tuple(read_records(data))
        fabric.call("host_capture_counts", self._descriptor, fabric.staging)
        (lost,) = struct.unpack_from("<Q", fabric.view, fabric.staging + 8)
        batch = CaptureBatch(packets=packets, lost=lost - self._lost)
        self._lost = lost
        return batch


@contextmanager
def open_capture(
    fabric: Fabric, watches: Watches, *, snapshot_bytes: int, ring_bytes: int = RING_BYTES
) -> Iterator[Capture]:
    """Open a ring, and close it in the end.

    Args:
        fabric: where to listen.
        watches: tell when there is something to read.
        snapshot_bytes: kept of each packet; 0 keeps all.
        ring_bytes: what may wait to be read.

    Raises:
        OSError: too many captures are open, or the fabric is full.
    """
    descriptor = fabric.call("host_capture_open", ring_bytes, snapshot_bytes)
    try:
        yield Capture(fabric, watches, descriptor)
    finally:
        watches.forget(descriptor)
        fabric.close(descriptor)
