"""Writes text to standard output and error without ever making the event loop wait.

Owns the thread that writes. A terminal that is held with Ctrl-S, or a pipe that nobody reads, stops
the thread and nothing else; what does not fit into its queue is dropped and counted.
"""

from __future__ import annotations

import queue
import sys
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

PENDING = 2048
"""Texts that may wait; a text is at most what one pod wrote in one round of its log."""


class Printer:
    """Prints texts in order, on a thread of its own."""

    def __init__(self, on_broken: Callable[[], None]) -> None:
        """Begin to print.

        Args:
            on_broken: Called on the printing thread when nobody reads standard output any more.
        """
        self._queue: queue.Queue[Callable[[], object] | None] = queue.Queue(PENDING)
        self._dropped = 0
        self._on_broken = on_broken
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def out(self, text: str) -> None:
        """Print to standard output, soon.

        The stream is looked up when it is written to: a live display takes its place for a while.
        """
        self.run(lambda: _write(sys.stdout, text))

    def err(self, text: str) -> None:
        """Print to standard error, soon."""
        self.run(lambda: _write(sys.stderr, text))

    def close(self, timeout_s: float) -> bool:
        """Print what waits; return False if that could not be done in time."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run(self, action: Callable[[], object]) -> None:
        """Do something between two texts, on the printing thread."""
        if self._dropped:
            note = f"podnet: {self._dropped} chunks of output are not shown; the logs have them\n"
            if self._put(lambda: _write(sys.stderr, note)):
                self._dropped = 0
        if not self._put(action):
            self._dropped += 1

    def _put(self, action: Callable[[], object]) -> bool:
        try:
            self._queue.put_nowait(action)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while (action := self._queue.get()) is not None:
            try:
                action()
            except OSError:
                self._on_broken()
                return


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
