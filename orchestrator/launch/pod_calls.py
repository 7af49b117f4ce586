"""What is asked of a node about images and pods, and the events that come of it.

Owns that calls for one pod are made one after the other, and how many boots are under way at once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from orchestrator.codec import NodeRefusedError
from orchestrator.lifecycle.events import BootFailed, ImageFailed, ImageProgressed, ImageReady
from orchestrator.views.phases import Phase
from pod_node.progress import Phase as ImagePhase

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.backends.nodes import Nodes
    from orchestrator.launch.publishing import Publishing
    from orchestrator.lifecycle.events import Event
    from orchestrator.views.progress import Screen
    from pod_node.spec import PodSpec

BOOTS_AT_ONCE = 8
"""Boot calls under way: enough to keep a node busy, few enough to hear its events in between."""
_IMAGE_PHASES = {ImagePhase.COMPILING: Phase.COMPILING, ImagePhase.READY: Phase.WAITING}


class PodCalls:
    """Calls to one node, each made by a task of its own."""

    def __init__(
        self,
        client: Nodes,
        publishing: Publishing,
        screen: Screen,
        report: Callable[[Event], None],
    ) -> None:
        """Prepare to call.

        Args:
            client: The node.
            publishing: Its names and portals.
            screen: Shows the preparation of images.
            report: Takes what comes of calls.
        """
        self._client = client
        self._publishing = publishing
        self._screen = screen
        self._report = report
        self._boots = asyncio.Semaphore(BOOTS_AT_ONCE)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(self, image: str) -> None:
        """Have an image made ready."""
        try:
            async with aclosing(self._client.prepare_image(image)) as steps:
                async for step in steps:
                    self._screen.show_image(step)
                    phase = _IMAGE_PHASES.get(step.phase, Phase.PULLING)
                    self._report(ImageProgressed(image, phase))
        except NodeRefusedError as error:
            self._report(ImageFailed(image, str(error)))
        else:
            self._report(ImageReady(image))

    async def boot(self, spec: PodSpec, *, after_names: bool) -> None:
        """Boot a pod, after the names of those that it waited for if it did."""
        async with self._turns[spec.name]:
            if after_names:
                await self._publishing.caught_up()
            async with self._boots:
                try:
                    await self._client.boot_pod(spec)
                except NodeRefusedError as error:
                    self._report(BootFailed(spec.name, str(error)))

    async def stop(self, pod: str, grace_s: float) -> None:
        """Ask a pod to end."""
        async with self._turns[pod]:
            with suppress(NodeRefusedError):  # it was never booted; that was told already
                await self._client.stop_pod(pod, grace_s)
            self._publishing.forget_backends()  # the node took it from its portals

    async def remove(self, pod: str) -> None:
        """Have the node forget a pod that has ended."""
        async with self._turns[pod]:
            with suppress(NodeRefusedError):
                await self._client.remove_pod(pod)
