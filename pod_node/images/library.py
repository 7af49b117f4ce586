"""From an image reference to all that a boot needs: the node's one entry to this package.

Owns the order of the steps (manifest, build, module, compiled module, files to mount) and nothing
of how they work. All of it blocks; call it from a worker thread. When everything is cached, it
takes about a millisecond and opens neither the module nor the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pod_node.images.builds import BuildStore
from pod_node.images.cache import CacheFolder
from pod_node.images.catalogue import find_image
from pod_node.images.compiled import Compile, CompileCache
from pod_node.images.errors import UnknownProgramError
from pod_node.images.layers import LayerCache, RunGuest
from pod_node.images.manifest import Blueprint, Manifest
from pod_node.images.script import resolve_script
from pod_node.images.store import ModuleStore
from pod_node.progress import OnProgress, Phase, Reporter
from pod_node.spec import Mount


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledImage:
    """An image that is ready to boot on this machine."""

    reference: str
    """As it was asked for."""
    manifest: Manifest
    artifact: Path
    """The compiled module; intact when this value was made."""
    mounts: tuple[Mount, ...]
    """What every pod of the image sees, before its own mounts."""

    @property
    def digest(self) -> str:
        """The module's sha256."""
        return self.manifest.sha256

    def arguments(self, command: tuple[str, ...], working_dir: str = "/") -> tuple[str, ...]:
        """Give the guest's `argv` for a pod's command.

        A script named relative to the working folder becomes an absolute path.

        Raises:
            UnknownProgramError: the image has no program of that name.
        """
        argv = command or self.manifest.entry or (self.manifest.name,)
        programs = self.manifest.programs
        if programs and argv[0] not in programs:
            raise UnknownProgramError(self.manifest.name, argv[0], programs)
        rule = self.manifest.script
        return resolve_script(argv, working_dir, rule) if rule else argv

    def environment(self, own: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Give the guest's environment: the image's variables, and the pod's own on top.

        A variable that lists folders keeps the image's before the pod's, so that a program with a
        `PYTHONPATH` of its own still finds what the image mounts.
        """
        merged = dict(self.manifest.environment) | dict(own)
        for name, folders in self.manifest.search_paths:
            own_folders = merged.get(name, "")
            if own_folders != folders and not own_folders.startswith(f"{folders}:"):
                merged[name] = f"{folders}:{own_folders}" if own_folders else folders
        return tuple(merged.items())


class ImageLibrary:
    """Prepares images with one engine."""

    def __init__(
        self,
        cache: CacheFolder,
        compile_: Compile,
        fingerprint: str,
        run_guest: RunGuest,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare images in `cache`.

        Args:
            cache: Where everything is kept.
            compile_: Compiles a module for this engine.
            fingerprint: Tells this engine's version and configuration and this processor from all
                others.
            run_guest: Runs an image once, to compile its files.
            clock: Seconds, for progress.
        """
        self._builds = BuildStore(cache)
        self._store = ModuleStore(cache)
        self._compiled = CompileCache(cache, compile_, fingerprint)
        self._layers = LayerCache(cache, run_guest)
        self._clock = clock

    def prepare(self, reference: str, on_progress: OnProgress) -> CompiledImage:
        """Bring an image here, compile it and prepare its files, unless that was done before.

        Raises:
            ImageError: with a text for people.
        """
        reporter = Reporter(reference, on_progress, self._clock)
        image = find_image(reference)
        manifest = self._builds.build(image, reporter) if isinstance(image, Blueprint) else image
        read = partial(self._store.read, manifest, reporter)
        artifact = self._compiled.compiled(manifest.sha256, read, reporter)
        mounts: tuple[Mount, ...] = ()
        for mount in manifest.mounts:
            mounts += (self._layers.prepare(manifest, mount, artifact, reporter, mounts),)
        reporter.tell(Phase.READY, manifest.size_bytes, manifest.size_bytes)
        return CompiledImage(
            reference=reference, manifest=manifest, artifact=artifact, mounts=mounts
        )

    def discard(self, image: CompiledImage) -> None:
        """Forget the compiled form of an image; for an engine that refuses to read it back."""
        self._compiled.discard(image.digest)
