"""Captures on the node's side: packets as the fabric's rings hand them out.

Owns a capture's descriptor from its opening to its end. Runs on the event loop's thread; nothing
is done while nothing is seen.
"""

from __future__ import annotations

import asyncio
import errno
import struct
from typing import TYPE_CHECKING

from vnet.capture import read_records
from vnet.host.watches import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from ipaddress import IPv4Address

    from pod_node.engine.fabric import Fabric
    from vnet.capture import CapturedPacket
    from vnet.host import Watches

RING_BYTES = 4 << 20
"""Holds a few milliseconds of a fast flow; what a slow reader misses is counted."""


class Capture:
    """What passes some interfaces and links, from the opening on.

    Used as an asynchronous context manager's value; `batches` ends when `close` is called.
    """

    def __init__(
        self, fabric: Fabric, watches: Watches, *, snaplen: int = 0, ring_bytes: int = RING_BYTES
    ) -> None:
        """Open a ring.

        Args:
            fabric: where to listen.
            watches: tell when there is something to read.
            snaplen: bytes kept of each packet; 0 keeps all.
            ring_bytes: what may wait to be read.

        Raises:
            OSError: too many captures are open, or the fabric is full.
        """
        self._fabric = fabric
        self._watches = watches
        self._ready = asyncio.Event()
        self._closed = False
        self.received = 0
        """Packets seen so far."""
        self.dropped = 0
        """Packets seen for which the ring had no room."""
        self._descriptor = fabric.call("host_capture_open", ring_bytes, snaplen)

    def listen(self, interfaces: Iterable[IPv4Address], links: Iterable[int] = ()) -> None:
        """Add interfaces, by address, and links, by the kernel's number.

        Raises:
            OSError: nobody has such an address, or there is no such link.
        """
        for address in interfaces:
            self._fabric.call("host_capture_interface", self._descriptor, int(address))
        for link in links:
            self._fabric.call("host_capture_link", self._descriptor, link)

    async def batches(self) -> AsyncIterator[list[CapturedPacket]]:
        """Yield what was seen, as soon as it is there."""
        while not self._closed:
            packets = self._read()
            if packets:
                yield packets
                continue
            self._ready.clear()
            self._watches.watch(self._descriptor, Event.READ, self._ready.set)
            await self._ready.wait()

    def _read(self) -> list[CapturedPacket]:
        fabric = self._fabric
        data = fabric.read(self._descriptor, fabric.staging_size)
        self._count()
        return list(read_records(data)) if data else []

    def _count(self) -> None:
        fabric = self._fabric
        fabric.call("host_capture_counts", self._descriptor, fabric.staging)
        self.received, self.dropped = struct.unpack_from("<QQ", fabric.view, fabric.staging)

    def close(self) -> None:
        """Listen no more."""
        if self._closed:
            return
        self._count()
        self._closed = True
        self._watches.forget(self._descriptor)
        self._fabric.close(self._descriptor)
        self._ready.set()


def too_many_captures(error: OSError) -> bool:
    """Tell whether a capture could not be opened because of how many there are."""
    return error.errno == errno.ENOBUFS
