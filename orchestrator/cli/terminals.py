"""This command's standard streams, for verbs that lend them to a program in a pod."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import threading
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.codec.feeding import CHUNK_BYTES
from pod_node.executing import DEFAULT_WINDOW, WindowSize

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


def window_size() -> WindowSize:
    """Give the size of the terminal that is standard input."""
    size = os.get_terminal_size(sys.stdin.fileno())
    return WindowSize(size.lines or DEFAULT_WINDOW.rows, size.columns or DEFAULT_WINDOW.columns)


@contextmanager
def raw_terminal() -> Iterator[None]:
    """Have every key come here as it is, and leave the terminal as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead is kept
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def read_input(
    loop: asyncio.AbstractEventLoop,
    take: Callable[[bytes], Coroutine[None, None, None]],
    end: Callable[[], None],
) -> None:
    """Read standard input on a thread of its own, which the process does not wait for.

    Terminals, pipes and files are all read so, and never left non-blocking for others.
    """

    def read() -> None:
        try:
            while data := os.read(0, CHUNK_BYTES):
                asyncio.run_coroutine_threadsafe(take(data), loop).result()
            loop.call_soon_threadsafe(end)
        except (OSError, RuntimeError, asyncio.CancelledError):
            return  # the program has ended meanwhile, or there is no standard input

    threading.Thread(target=read, name="standard input", daemon=True).start()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, waiting for whoever reads."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
