"""The images of a running node: prepared on worker threads, then at hand for every boot.

Owns the bridge between the library, which blocks, and the event loop, and the table of images that
are ready. How an image is prepared is the library's business.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from pod_node.errors import PreparationCancelledError
from pod_node.fanout import Subscription
from pod_node.images import CompiledImage
from pod_node.progress import OnProgress, Phase, Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

STEPS = 256
"""Steps of progress that may wait for a slow reader; older ones are of no interest."""


class Library(Protocol):
    """What prepares images; it blocks."""

    def prepare(self, reference: str, on_progress: OnProgress) -> CompiledImage:
        """Bring an image here and compile it, telling each step."""


class ImageShelf:
    """Images that this node can boot from."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._images: dict[str, CompiledImage] = {}

    def find(self, reference: str) -> CompiledImage | None:
        """Return an image that is ready."""
        return self._images.get(reference)

    async def prepare(self, references: Iterable[str]) -> AsyncGenerator[Progress, None]:
        """Prepare images one after the other, telling each step.

        Raises:
            ImageError: one of them cannot be had.
        """
        for reference in dict.fromkeys(references):
            async with aclosing(self._prepare(reference)) as steps:
                async for step in steps:
                    yield step

    async def _prepare(self, reference: str) -> AsyncGenerator[Progress, None]:
        loop = asyncio.get_running_loop()
        steps: Subscription[Progress] = Subscription(STEPS)
        abandoned = threading.Event()

        def on_progress(step: Progress) -> None:
            if abandoned.is_set():
                raise PreparationCancelledError(reference)
            loop.call_soon_threadsafe(steps.put_nowait, step)

        def on_done(work: asyncio.Future[CompiledImage]) -> None:
            steps.close()
            if abandoned.is_set() and not work.cancelled():
                work.exception()  # nobody is left to hear of it

        work = loop.run_in_executor(None, self._library.prepare, reference, on_progress)
        work.add_done_callback(on_done)
        try:
            async for step in steps:
                if step.phase is Phase.READY:
                    self._images[reference] = await work
                yield step
            await work
        finally:
            abandoned.set()
