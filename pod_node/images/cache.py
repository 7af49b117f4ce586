"""The cache folder on disk: its place, its locks, and files that appear in it whole or not at all.

    modules/DIGEST.wasm      modules as fetched, by their sha256
    compiled/KEY.cwasm       modules compiled for one engine and CPU; KEY.json: is it intact
    layers/KEY/              files to mount into guests, with their bytecode
    builds/DIGEST/           what was built on this machine, by the recipe's digest
    building/DIGEST/         builds that have not ended well, with their logs
    sources/                 tarballs that builds start from
    locks/ scratch/          who works on what, and on what

The place is `PODNET_CACHE`, else `podnet` below `XDG_CACHE_HOME`, else `~/.cache/podnet`. Compiled
modules are code that this process will run, so the folders must belong to the user and be closed to
others.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pod_node.images.errors import CacheFolderError, CacheFullError

LOCK_POLL_S = 0.1
"""Between two tries for a lock: short for a person, long for a processor."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cache_root(environment: Mapping[str, str]) -> Path:
    """Say where the cache is.

    Raises:
        CacheFolderError: there is neither a variable nor a home folder to tell.
    """
    chosen = environment.get("PODNET_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = environment.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):  # the XDG specification ignores relative ones
        return Path(base) / "podnet"
    try:
        return Path.home() / ".cache" / "podnet"
    except RuntimeError as error:
        raise CacheFolderError("~/.cache/podnet", "the user has no home folder") from error


class CacheFolder:
    """One cache on disk, shared by all processes of a user."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def modules(self) -> Path:
        """The folder of modules as fetched."""
        return self._folder("modules")

    def compiled(self) -> Path:
        """The folder of compiled modules."""
        return self._folder("compiled")

    def layers(self) -> Path:
        """The folder of prepared files for guests."""
        return self._folder("layers")

    def builds(self) -> Path:
        """The folder of what was built from source."""
        return self._folder("builds")

    def building(self) -> Path:
        """The folder of builds that have not ended well."""
        return self._folder("building")

    def sources(self) -> Path:
        """The folder of source tarballs."""
        return self._folder("sources")

    def scratch(self) -> Path:
        """The folder of what is being worked on."""
        return self._folder("scratch")

    def identity(self) -> str:
        """Tell this cache from all others, however processes of any machine come to it."""
        facts = self.modules().parent.stat()
        return f"{_boot_id()}/{facts.st_dev}/{facts.st_ino}"

    @contextmanager
    def work(self, key: str, wanted: str, on_wait: Callable[[], None]) -> Iterator[Path]:
        """Hold the lock `key`, with an empty scratch folder that is gone afterwards.

        Args:
            key: What is worked on; one process and thread at a time.
            wanted: The same for people, should the disk be full.
            on_wait: Called several times a second while somebody else holds the lock.

        Raises:
            CacheFullError: the disk ran full inside the block.
            CacheFolderError: the cache cannot be written.
        """
        with self._lock(key, on_wait):
            scratch = self.scratch() / key
            try:
                shutil.rmtree(scratch, ignore_errors=True)  # left by a process that was killed
                scratch.mkdir(mode=0o700)
                yield scratch
            except OSError as error:
                if error.errno in _FULL:
                    raise CacheFullError(str(self.root), wanted) from error
                raise CacheFolderError(str(self.root), str(error)) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def _lock(self, key: str, on_wait: Callable[[], None]) -> Iterator[None]:
        path = self._folder("locks") / key
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            if error.errno in _FULL:
                raise CacheFullError(str(self.root), "a lock file") from error
            raise CacheFolderError(str(self.root), str(error)) from error
        try:
            while not _try_lock(descriptor):
                on_wait()
                time.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(descriptor)

    def _folder(self, name: str) -> Path:
        path = self.root / name
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = path.lstat()
        except OSError as error:
            if error.errno in _FULL:
                raise CacheFullError(str(self.root), "a folder") from error
            raise CacheFolderError(str(path), error.strerror or str(error)) from error
        if not stat.S_ISDIR(facts.st_mode):
            raise CacheFolderError(str(path), "is not a folder")
        if facts.st_uid != os.geteuid():
            raise CacheFolderError(
                str(path), "belongs to another user, whose code podnet would run"
            )
        if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheFolderError(str(path), "can be written by other users (chmod go-w it)")
        return path


def publish(scratch_file: Path, final: Path) -> None:
    """Move a finished file to its place: whole or not at all, even after a power cut."""
    descriptor = os.open(scratch_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    scratch_file.replace(final)


def _boot_id() -> str:
    """What Linux calls this machine until it is started again."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
