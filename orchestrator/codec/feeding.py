"""What a program in a pod is told while it runs: input, signals, sizes of its terminal.

Owns the order of these and how much input is under way. What the program answers is the caller's
business; it must report what was taken.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pod_node.executing import Input

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pod_node.executing import ExecStep

CHUNK_BYTES = 32 * 1024
UNDER_WAY_BYTES = 128 * 1024
"""Input that was sent and not taken: the node holds up nobody who has less."""


class Feed:
    """Steps for one program, which iterating gives as they come up."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ExecStep] = asyncio.Queue()
        self._under_way = 0
        self._room = asyncio.Event()

    def tell(self, step: ExecStep) -> None:
        """Pass a step on."""
        self._queue.put_nowait(step)

    def taken(self, size_bytes: int) -> None:
        """Take note that the program has had input."""
        self._under_way -= size_bytes
        self._room.set()

    async def type(self, data: bytes) -> None:
        """Pass input on, a chunk at a time, and wait until more may be sent."""
        for start in range(0, len(data), CHUNK_BYTES):
            chunk = data[start : start + CHUNK_BYTES]
            self.tell(Input(chunk))
            self._under_way += len(chunk)
            while self._under_way >= UNDER_WAY_BYTES:
                self._room.clear()
                await self._room.wait()

    async def __aiter__(self) -> AsyncGenerator[ExecStep, None]:
        while True:
            yield await self._queue.get()
