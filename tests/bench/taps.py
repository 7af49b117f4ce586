"""What a process with pods sees of its own network: packets, and the pacer's thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from ipaddress import IPv4Address

from pod_node.engine import EngineRuntime
from pod_node.engine.fabric import Fabric
from vnet.capture import CapturedPacket, LinkPlace, read_records

RING_BYTES = 16 << 20
"""Holds all of a scene: nobody reads before its end."""
SNAPSHOT_BYTES = 128
PACER = "podnet-pacer"


@contextmanager
def recording(fabric: Fabric, addresses: Sequence[IPv4Address]) -> Iterator[list[CapturedPacket]]:
    """Give what some interfaces send and receive, all by one clock, once the block is left."""
    seen: list[CapturedPacket] = []
    descriptor = fabric.call("host_capture_open", RING_BYTES, SNAPSHOT_BYTES)
    try:
        for address in addresses:
            fabric.call("host_capture_interface", descriptor, int(address))
        yield seen
        while data := fabric.read(descriptor, fabric.staging_size):
            seen += read_records(data)
    finally:
        fabric.close(descriptor)


@asynccontextmanager
async def wasting(runtime: EngineRuntime, link: str) -> AsyncIterator[None]:
    """Capture a link as `podnet capture` does, and throw the packets away."""
    begun = asyncio.Event()

    async def drain() -> None:
        async with aclosing(runtime.capture(LinkPlace(link=link), snapshot_bytes=0)) as batches:
            begun.set()
            async for _ in batches:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(drain(), name=f"capture of {link}")
        await begun.wait()
        yield
        task.cancel()


def pacer_cpu_s() -> float:
    """Return the CPU time of the thread that moves packets."""
    (pacer,) = (thread for thread in threading.enumerate() if thread.name == PACER)
    assert pacer.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(pacer.ident))
