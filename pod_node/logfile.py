"""One pod's log files: append, turn over, read back.

Owns names, sizes and the turning over of `POD.log`, `POD.log.1` and so on. Knows nothing of what is
in them beyond that they consist of lines.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

FILE_BYTES = 6 * 1024 * 1024
"""Size of one file; more than one round of the log book can write, so no file is larger."""
FILES = 2
"""A pod keeps its last 6 to 12 MiB: 500 pods that flood hold 6 GB."""


class LogFile:
    """One pod's files on disk; holds no descriptor between writes, so a thousand pods cost none."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES, files: int = FILES) -> None:
        self.path = path
        self._file_bytes, self._files = file_bytes, files

    def write(self, records: bytes) -> None:
        """Append whole records, turning the files over first when the newest has no room for them.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        if self._size() + len(records) > self._file_bytes:
            self._turn_over()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            view = memoryview(records)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)

    def open(self, stack: ExitStack) -> list[BinaryIO]:
        """Open all files that are kept, the oldest first; they stay the same as files turn over."""
        opened: list[BinaryIO] = []
        for age in range(self._files - 1, -1, -1):
            try:
                descriptor = os.open(self._aged(age), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # not there, or not ours
            opened.append(stack.enter_context(os.fdopen(descriptor, "rb")))
        return opened

    def read_lines(self) -> Iterator[bytes]:
        """Read all records that are kept, the oldest first."""
        with ExitStack() as stack:
            for file in self.open(stack):
                yield from file

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _turn_over(self) -> None:
        for age in range(self._files - 1, 0, -1):
            newer = self._aged(age - 1)
            if newer.exists():
                newer.replace(self._aged(age))

    def _aged(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}") if age else self.path
