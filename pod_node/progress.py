"""How the preparation of an image gets on, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What is being done for an image."""

    WAITING = "waiting"
    """Another process prepares the same image."""
    FETCHING = "fetching"
    CHECKING = "checking"
    RECEIVING = "receiving"
    """Getting what another machine has prepared."""
    BUILDING = "building"
    """Making the module from source; takes minutes."""
    COMPILING = "compiling"
    LAYERING = "layering"
    """Preparing the files that the image mounts into its guests."""
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step."""

    image: str
    phase: Phase
    done_bytes: int = 0
    """Bytes dealt with in this phase so far."""
    total_bytes: int = 0
    """Bytes to deal with in this phase; zero when not known."""
    elapsed_s: float = 0.0
    """Since the preparation of this image began."""
    source: str = ""
    """Where the bytes come from when FETCHING or RECEIVING, the step when BUILDING; else empty."""

    @property
    def doing(self) -> str:
        """Say what is being done, for people."""
        if not self.source:
            return self.phase.value
        return f"{self.phase.value}{':' if self.phase is Phase.BUILDING else ' from'} {self.source}"


OnProgress = Callable[[Progress], None]
"""Called several times a second while something is waited for, except while a module is compiled.
Raising from it ends the preparation and leaves nothing incomplete behind."""


class Reporter:
    """Tells the steps of one image's preparation, with its name and age."""

    def __init__(self, image: str, on_progress: OnProgress, clock: Callable[[], float]) -> None:
        self._image = image
        self._on_progress = on_progress
        self._clock = clock
        self._started_at = clock()

    def tell(
        self, phase: Phase, done_bytes: int = 0, total_bytes: int = 0, source: str = ""
    ) -> None:
        """Report one step."""
        self._on_progress(
            Progress(
                image=self._image,
                phase=phase,
                done_bytes=done_bytes,
                total_bytes=total_bytes,
                elapsed_s=self._clock() - self._started_at,
                source=source,
            )
        )
