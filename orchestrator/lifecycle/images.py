"""Which images are ready on the node, and which are being made so.

Owns that each is asked for once. How an image becomes ready is the node's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lifecycle.events import PrepareImage

if TYPE_CHECKING:
    from orchestrator.lifecycle.events import Command


class Images:
    """The images that pods of one deployment need."""

    def __init__(self, commands: list[Command]) -> None:
        """Begin without any.

        Args:
            commands: Takes what the node is to do.
        """
        self._commands = commands
        self._ready: dict[str, bool] = {}

    @property
    def known(self) -> frozenset[str]:
        """The images that are ready, or being made so."""
        return frozenset(self._ready)

    def prepare(self, image: str) -> None:
        """Have an image made ready if nobody asked for it before."""
        if image not in self._ready:
            self._ready[image] = False
            self._commands.append(PrepareImage(image))

    def is_ready(self, image: str) -> bool:
        """Whether a pod can boot from it."""
        return self._ready.get(image) is True

    def is_underway(self, image: str) -> bool:
        """Whether it was asked for and is not ready yet."""
        return self._ready.get(image) is False

    def note_ready(self, image: str) -> None:
        """Take note that an image is ready."""
        self._ready[image] = True

    def note_failed(self, image: str) -> None:
        """Forget an image that could not be made ready, so that another plan may try again."""
        self._ready.pop(image, None)

    def clear(self) -> None:
        """Forget all, as the node did."""
        self._ready.clear()
