"""Files below an open directory, touched name by name without following a symbolic link.

What a pod wrote may be anything, links to the host's own files included; whoever goes through it
on the host's side does so here. Owns no policy: a link is an error (ELOOP or ENOTDIR) to callers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a directory that is ours for the length of a block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def directory(root: int, names: Sequence[str], *, make: int | None = None) -> Iterator[int]:
    """Open the directory `names` below `root` for the length of a block.

    Args:
        root: An open directory.
        names: Single names, none of them `..`.
        make: With which mode to make what is missing; None makes nothing.
    """
    descriptor = os.dup(root)
    try:
        for name in names:
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(name, make, dir_fd=descriptor)
            following = os.open(name, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = following
        yield descriptor
    finally:
        os.close(descriptor)


def write_new(parent: int, name: str, content: bytes, mode: int = 0o644) -> None:
    """Make a file that must not be there yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, mode, dir_fd=parent)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
