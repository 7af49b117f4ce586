"""Modules by their digest: fetched once, checked, and shared by all processes of a user.

Owns `modules/` in the cache folder. A file is there only if its bytes had the digest that is its
name. Sources are tried in the manifest's order until one gives the module; a source that gives
other bytes is an error at once, so that nobody works for months from a second source while the
first one is wrong.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from pod_node.images.cache import CacheFolder, publish
from pod_node.images.catalogue import MODULE_HEADER, check_module
from pod_node.images.errors import (
    DigestMismatchError,
    ModuleError,
    NoSourceError,
    SourceError,
)
from pod_node.images.fetch import fetch
from pod_node.images.manifest import Manifest
from pod_node.images.sources import Source
from pod_node.progress import Phase, Reporter


class ModuleStore:
    """Brings modules to this machine and keeps them."""

    def __init__(self, cache: CacheFolder) -> None:
        self._cache = cache

    def path_of(self, manifest: Manifest) -> Path | None:
        """Say where an image's module is; None if it was never pulled."""
        path = self._place(manifest)
        try:
            intact = path.stat().st_size == manifest.size_bytes
        except FileNotFoundError:
            return None
        return path if intact else None

    def pull(self, manifest: Manifest, reporter: Reporter) -> Path:
        """Make sure that an image's module is here.

        Raises:
            NoSourceError: no source could give it.
            DigestMismatchError: a source gave other bytes.
            ModuleError: the bytes are right and yet no module.
            CacheFullError, CacheFolderError: the cache cannot take it.
        """
        path = self.path_of(manifest)
        if path is not None:
            return path
        wanted = f"image {manifest.name} ({manifest.size_bytes} bytes)"
        on_wait = partial(reporter.tell, Phase.WAITING)
        with self._cache.work(lock_of(manifest.sha256), wanted, on_wait) as scratch:
            return self.path_of(manifest) or self._pull(manifest, scratch, reporter)

    def read(self, manifest: Manifest, reporter: Reporter) -> bytes:
        """Return a module's bytes, checked; pulls it first, and again if it was damaged on disk."""
        module = self.pull(manifest, reporter).read_bytes()
        if hashlib.sha256(module).hexdigest() != manifest.sha256:
            self._place(manifest).unlink(missing_ok=True)
            module = self.pull(manifest, reporter).read_bytes()
        return module

    def _place(self, manifest: Manifest) -> Path:
        return self._cache.modules() / f"{manifest.sha256}.wasm"

    def _pull(self, manifest: Manifest, scratch: Path, reporter: Reporter) -> Path:
        failures: list[str] = []
        for number, source in enumerate(manifest.sources):
            folder = scratch / str(number)
            folder.mkdir()
            tell = partial(reporter.tell, Phase.FETCHING, source=str(source))
            tell(0, 0)
            try:
                module = fetch(source, folder, manifest.size_bytes, tell)
            except SourceError as error:
                failures.append(str(error))
                continue
            _check(manifest, source, module, reporter)
            publish(module, self._place(manifest))
            return self._place(manifest)
        raise NoSourceError(manifest.name, tuple(failures))


def lock_of(sha256: str) -> str:
    """Name the lock under which a module is fetched."""
    return f"module-{sha256}"


def _check(manifest: Manifest, source: Source, module: Path, reporter: Reporter) -> None:
    reporter.tell(Phase.CHECKING, 0, manifest.size_bytes)
    with module.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != manifest.sha256:
            raise DigestMismatchError(manifest.name, str(source), manifest.sha256, found)
        if file.tell() != manifest.size_bytes:
            reason = f"has {file.tell()} bytes, its manifest says {manifest.size_bytes}"
            raise ModuleError(manifest.name, reason)
        file.seek(0)
        check_module(manifest.name, file.read(len(MODULE_HEADER)))
