"""The live display of a start, for terminals: a bar for each image and one for the pods.

Owns the use of `rich`. While it lasts, text that others print appears above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from orchestrator.cli.screen import image_step
from pod_node.progress import Phase as ImagePhase

if TYPE_CHECKING:
    from rich.progress import TaskID

    from pod_node.progress import Progress


class BarSteps:
    """Bars that vanish when the start is over."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=Console(),
            transient=True,
        )
        self._images: dict[str, TaskID] = {}
        self._pods: TaskID | None = None
        self._bars.start()

    def show_image(self, step: Progress) -> None:
        """Move an image's bar; a ready image's bar goes away."""
        if step.phase is ImagePhase.READY:
            if step.image in self._images:
                self._bars.remove_task(self._images.pop(step.image))
            return
        description = f"image {step.image}: {image_step(step)}"
        if step.image not in self._images:
            self._images[step.image] = self._bars.add_task(description, total=None)
        # Of compiling nothing is known until it is done: the bar pulses.
        known = step.phase is not ImagePhase.COMPILING and step.total_bytes > 0
        self._bars.update(
            self._images[step.image],
            description=description,
            completed=step.done_bytes,
            total=step.total_bytes if known else None,
        )

    def show_pods(self, done: int, total: int) -> None:
        """Move the bar of the pods."""
        description = f"pods: {done} of {total}"
        if self._pods is None:
            self._pods = self._bars.add_task(description, total=total)
        self._bars.update(self._pods, description=description, completed=done)

    def stop(self) -> None:
        """Take the display away."""
        self._bars.stop()
