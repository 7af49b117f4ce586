"""Copies as streams of pieces: the bridge between the event loop and the threads that touch files.

A reader's thread makes the next piece only when it is asked for; a writer's thread takes pieces
through a pipe, so that whoever sends waits for the disk.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pod_node.files.archive import Copied, read_archive, remove, write_archive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence

    from pod_node.files.archive import Book
    from pod_node.files.tree import PodTree

UNREAD_MOST = 64 << 20
"""What is taken from a sender after an error, so that it hears of that and not of a broken call."""


class LoopBook:
    """A book that may be used from worker threads: every entry is made on the loop's thread."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._loop = asyncio.get_running_loop()

    def take(self, target: str, blocks: int) -> None:
        """Count what is about to be put there.

        Raises:
            DiskFullError: there is no room for it.
        """
        self._call(lambda: self._book.take(target, blocks))

    def give(self, target: str, blocks: int) -> None:
        """Count no longer what was taken away."""
        self._call(lambda: self._book.give(target, blocks))

    def linked(self, target: str) -> None:
        """Have symbolic links looked for there."""
        self._call(lambda: self._book.linked(target))

    def hide(self, path: str) -> None:
        """Have layers show nothing more at a path.

        Raises:
            DiskFullError: there is no room to keep that.
        """
        self._call(lambda: self._book.hide(path))

    def change(self, path: str) -> None:
        """Tell that something is about to be put over a layer."""
        self._call(lambda: self._book.change(path))

    def _call(self, work: Callable[[], None]) -> None:
        async def entry() -> None:
            work()

        asyncio.run_coroutine_threadsafe(entry(), self._loop).result()


async def copy_out(tree: PodTree, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
    """Give what a path names as a tar stream.

    Raises:
        CopyError: there is nothing, or nothing that can be read.
    """
    pieces = read_archive(tree, path, follow=follow)
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
    finally:
        await asyncio.to_thread(pieces.close)


async def copy_in(
    tree: PodTree, book: Book, pieces: AsyncIterable[bytes], path: str, *, strip: bool
) -> Copied:
    """Put a tar stream into a tree; see `write_archive`.

    Raises:
        CopyError: it is no tar stream, or something in it cannot be put there.
        DiskFullError: there is no room.
    """
    reading, writing = os.pipe()
    safe = LoopBook(book)

    def write() -> Copied:
        with os.fdopen(reading, "rb") as stream:
            return write_archive(tree, safe, stream, path, strip=strip)

    # A thread of its own: those that everybody shares may all be waiting to fill its pipe.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy")
    copied = asyncio.get_running_loop().run_in_executor(pool, write)
    pool.shutdown(wait=False)
    unread = 0
    try:
        async for piece in pieces:
            if unread == 0:
                try:
                    await asyncio.to_thread(_write_all, writing, piece)
                    continue
                except BrokenPipeError:  # the writer has had enough, or has failed
                    pass
            unread += len(piece)
            if unread > UNREAD_MOST:
                break
    finally:
        os.close(writing)
        await asyncio.wait([copied])
        copied.exception()
    return copied.result()


async def remove_paths(tree: PodTree, book: Book, paths: Sequence[str]) -> None:
    """Remove files and folders.

    Raises:
        CopyError: one cannot be removed.
    """
    safe = LoopBook(book)
    for path in paths:
        await asyncio.to_thread(remove, tree, safe, path)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
