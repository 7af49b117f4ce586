"""Compiled modules: made once for one engine and processor, then mapped in a millisecond.

Owns `compiled/` in the cache folder. Does not know the engine: what compiles is an argument, and so
is the text that tells one engine, configuration and processor from another. Running a damaged file
would be running wild code, so a record beside each file holds its digest. The digest is compared
again whenever the file is not exactly the one that was last compared (inode, size, time of change);
as long as it is, a look at its facts is enough.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from pod_node.images.cache import CacheFolder, publish
from pod_node.progress import Phase, Reporter

Compile = Callable[[bytes], bytes | bytearray]
"""Takes a module and gives what the engine reads back, for example `Module(engine,
wasm).serialize()`."""

FORMAT = 1
"""Part of every key; a change of what stands in the files or records gets a new number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What is known about one compiled file."""

    sha256: str
    size: int
    inode: int
    modified_ns: int
    changed_ns: int
    """The status time, which nobody but the kernel can set."""


class CompiledFiles:
    """The compiled modules of one engine that are there."""

    def __init__(self, cache: CacheFolder, fingerprint: str) -> None:
        """Look into `cache`; whoever has the same `fingerprint` can use what is there."""
        self._cache = cache
        self._fingerprint = fingerprint

    def key_of(self, digest: str) -> str:
        """Name the compiled form of a module by all that it depends on."""
        return hashlib.sha256(f"{FORMAT}\n{digest}\n{self._fingerprint}".encode()).hexdigest()

    def path_of(self, digest: str) -> Path | None:
        """Say where the compiled form of a module is; None if there is none that is intact."""
        return self._intact(self._place(digest))

    def is_here(self, key: str) -> bool:
        """Whether there is an intact compiled form of that name."""
        return self._intact(self._cache.compiled() / f"{key}.cwasm") is not None

    def lock_of(self, key: str) -> str:
        """Name the lock under which a compiled form is made."""
        return f"compiled-{key}"

    def keep(self, key: str, draft: Path, scratch: Path) -> None:
        """Take what was compiled elsewhere, by whom podnet trusts to run its code.

        Preconditions: the caller holds the lock of `key`, and `scratch` is its folder.
        """
        path = self._cache.compiled() / f"{key}.cwasm"
        if self._intact(path) is None:
            _keep(draft, path, scratch)

    def discard(self, digest: str) -> None:
        """Forget the compiled form of a module; for an engine that refuses to read it back."""
        path = self._place(digest)
        _record_place(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        return self._cache.compiled() / f"{self.key_of(digest)}.cwasm"

    def _intact(self, path: Path) -> Path | None:
        record = _read_record(_record_place(path))
        if record is None or not path.is_file():
            return None
        if record == _facts(path, record.sha256):
            return path
        if _digest(path) != record.sha256:
            return None
        with self._cache.work(f"record-{path.stem}", "a record", lambda: None) as scratch:
            _write_record(_facts(path, record.sha256), path, scratch)
        return path


class CompileCache(CompiledFiles):
    """Keeps compiled modules for one engine, and makes those that are not there."""

    def __init__(self, cache: CacheFolder, compile_: Compile, fingerprint: str) -> None:
        """Compile with `compile_`; whoever has the same `fingerprint` can use the results."""
        super().__init__(cache, fingerprint)
        self._compile = compile_

    def compiled(self, digest: str, read: Callable[[], bytes], reporter: Reporter) -> Path:
        """Make sure that the compiled form of a module is here.

        Args:
            digest: The module's sha256.
            read: Gives the module's bytes; called only when they are needed.
            reporter: Told of waiting and compiling.

        Raises:
            CacheFullError, CacheFolderError: the cache cannot take it.
        """
        path = self._place(digest)
        if self._intact(path) is None:
            module = read()
            wanted, on_wait = "a compiled module", partial(reporter.tell, Phase.WAITING)
            with self._cache.work(self.lock_of(path.stem), wanted, on_wait) as scratch:
                if self._intact(path) is None:
                    reporter.tell(Phase.COMPILING, 0, len(module))
                    draft = scratch / path.name
                    draft.write_bytes(self._compile(module))
                    _keep(draft, path, scratch)
                    reporter.tell(Phase.COMPILING, len(module), len(module))
        return path


def _keep(draft: Path, path: Path, scratch: Path) -> None:
    digest = _digest(draft)
    publish(draft, path)
    _write_record(_facts(path, digest), path, scratch)


def _write_record(record: _Record, path: Path, scratch: Path) -> None:
    draft = scratch / _record_place(path).name
    draft.write_text(json.dumps(asdict(record)), encoding="ascii")
    publish(draft, _record_place(path))


def _record_place(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_record(path: Path) -> _Record | None:
    try:
        record = _Record(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return record


def _facts(path: Path, digest: str) -> _Record:
    facts: os.stat_result = path.stat()
    return _Record(
        sha256=digest,
        size=facts.st_size,
        inode=facts.st_ino,
        modified_ns=facts.st_mtime_ns,
        changed_ns=facts.st_ctime_ns,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
