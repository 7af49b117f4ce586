"""Lock folders that nobody holds, because the node whose pods did was killed.

While a node lives, its kernel knows who holds which (`pod_node/kernel/lock_folders.h`). Owns the
look through volumes for those of SQLite databases; must not be called while a pod runs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".lock"
_MAGIC = b"SQLite format 3\0"
"""How a database begins, unless it is new and empty."""


def clear_lock_folders(volumes: Path) -> None:
    """Remove the locks of all databases in a folder whose users have all ended."""
    if not volumes.is_dir():
        return
    for _, folders, files, descriptor in os.fwalk(volumes):
        for name in folders:
            database = name.removesuffix(_SUFFIX)
            if database != name and database in files and _is_database(database, descriptor):
                with suppress(OSError):
                    os.rmdir(name, dir_fd=descriptor)


def _is_database(name: str, folder: int) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(_MAGIC)) in (b"", _MAGIC)
    except OSError:
        return False
    finally:
        os.close(descriptor)
