"""Layers: files that an image mounts into its guests, completed once by the image itself.

Owns `layers/` in the cache folder. A layer may be completed by a command of its manifest
(`prepare`), and have bytecode: a guest sees it read only, so without this it would compile its
files anew at every start. The interpreter is the guest itself, run once on a writable copy; running
it is an argument. The bytecode is of the unchecked kind: the guest trusts it without looking at the
source, because both change only together, under another key.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from pod_node.images.cache import CacheFolder
from pod_node.images.errors import LayerError
from pod_node.images.manifest import ImageMount, Manifest
from pod_node.progress import Phase, Reporter
from pod_node.spec import Mount

FORMAT = 2
"""Part of every key; changes when a layer is made in another way."""
OUTPUT_LINES = 5
"""How much of what a failed guest said goes into the error."""


class RunGuest(Protocol):
    """Runs an image once, without network, and waits for its end."""

    def __call__(
        self, artifact: Path, argv: Sequence[str], mounts: Sequence[Mount]
    ) -> tuple[int, str]:
        """Run the compiled module `artifact`; return its exit status and all that it printed."""


_Run = Callable[[Sequence[str], Mount], tuple[int, str]]
"""Runs a command of the image with one writable mount; returns its exit status and output."""


class LayerCache:
    """Prepares folders for guests and keeps them."""

    def __init__(self, cache: CacheFolder, run_guest: RunGuest) -> None:
        self._cache = cache
        self._run_guest = run_guest

    def prepare(
        self,
        manifest: Manifest,
        mount: ImageMount,
        artifact: Path,
        reporter: Reporter,
        earlier: Sequence[Mount] = (),
    ) -> Mount:
        """Give the mount that a pod of the image gets.

        Args:
            manifest: The image's.
            mount: What to prepare.
            artifact: The compiled module.
            reporter: Told of waiting and working.
            earlier: The image's mounts that are ready; its interpreter may need them to run.

        Raises:
            LayerError: the folder cannot be read, or the interpreter refused its files.
            CacheFullError, CacheFolderError: the cache cannot take it.
        """
        if not mount.source.is_dir():
            raise LayerError(manifest.name, str(mount.source), "there is no such folder")
        if not is_prepared(mount):
            return Mount(source=mount.source, target=mount.target, read_only=True, layer=True)
        files = _files(mount)
        final = self._cache.layers() / _key(manifest, mount, files)
        if not final.is_dir():
            reporter.tell(Phase.LAYERING)
            wanted, on_wait = (
                f"files of image {manifest.name}",
                partial(reporter.tell, Phase.WAITING),
            )
            with self._cache.work(lock_of(final.name), wanted, on_wait) as scratch:
                if not final.is_dir():
                    draft = scratch / "layer"
                    _copy(mount.source, files, draft)
                    run = partial(self._run, artifact, earlier)
                    if mount.prepare:
                        self._complete(manifest, mount, draft, run)
                    if mount.bytecode:
                        self._compile(manifest, mount, draft, run)
                    draft.rename(final)
        return Mount(source=final, target=mount.target, read_only=True, layer=True)

    def _run(
        self, artifact: Path, earlier: Sequence[Mount], argv: Sequence[str], writable: Mount
    ) -> tuple[int, str]:
        return self._run_guest(artifact, argv, [*earlier, writable])

    def _complete(self, manifest: Manifest, mount: ImageMount, draft: Path, run: _Run) -> None:
        writable = Mount(source=draft, target=mount.target)
        status, output = run(mount.prepare, writable)
        if status != 0:
            reason = f"{' '.join(mount.prepare)} ended with status {status}: {_last_of(output)}"
            raise LayerError(manifest.name, str(mount.source), reason)

    def _compile(self, manifest: Manifest, mount: ImageMount, draft: Path, run: _Run) -> None:
        program = manifest.entry[0] if manifest.entry else manifest.name
        # -I: no environment, no site folder of the user; the layer is compiled where guests will
        # see it, so that tracebacks name the place where a reader finds the file.
        argv = [program, "-I", "-m", "compileall", "-q"]
        argv += ["--invalidation-mode", "unchecked-hash", mount.target]
        status, output = run(argv, Mount(source=draft, target=mount.target))
        missing = [path.name for path in draft.rglob("*.py") if not _has_bytecode(path)]
        if status != 0 or missing:
            reason = (
                f"compileall ended with status {status}, without bytecode for {missing}: "
                f"{_last_of(output)}"
            )
            raise LayerError(manifest.name, str(mount.source), reason)


def is_prepared(mount: ImageMount) -> bool:
    """Whether guests see a prepared copy of a folder, and not the folder itself."""
    return mount.bytecode or bool(mount.prepare)


def key_of(manifest: Manifest, mount: ImageMount) -> str:
    """Name a prepared folder by all that it depends on."""
    return _key(manifest, mount, _files(mount))


def lock_of(key: str) -> str:
    """Name the lock under which a folder is prepared."""
    return f"layer-{key}"


def _files(mount: ImageMount) -> list[Path]:
    return sorted(mount.source.rglob("*.py"))


def _last_of(output: str) -> str:
    return " | ".join(output.strip().splitlines()[-OUTPUT_LINES:])


def _key(manifest: Manifest, mount: ImageMount, files: list[Path]) -> str:
    digest = hashlib.sha256(
        f"{FORMAT}\n{manifest.sha256}\n{mount.target}\n{mount.prepare!r}".encode()
    )
    for path in files:
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(mount.source)}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _copy(source: Path, files: list[Path], draft: Path) -> None:
    draft.mkdir()
    for path in files:
        copy = draft / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _has_bytecode(path: Path) -> bool:
    return any((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))
