"""What an image consists of in a cache, part by part, so that machines can give each other parts.

Owns the names of parts, where each is kept, and how it is put there. A part's key names it by all
that it depends on, so two machines mean the same by it: a module's is its sha256; a compiled
module's holds the module's, the engine and the processor; a layer's the files that it is made from;
a build's its recipe. How a part gets from one machine to another is no business of this module.
"""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from enum import Enum
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import assert_never

from pod_node.images import builds, layers, store
from pod_node.images.builds import BuildStore
from pod_node.images.cache import CacheFolder, publish
from pod_node.images.catalogue import MODULE_HEADER, check_module, find_image
from pod_node.images.compiled import CompiledFiles
from pod_node.images.errors import PartRefusedError
from pod_node.images.manifest import Blueprint, Manifest
from pod_node.images.store import ModuleStore


class PartKind(Enum):
    """What a part is."""

    BUILD = "build"
    """A folder: what a recipe has left."""
    COMPILED = "compiled module"
    MODULE = "module"
    LAYER = "layer"
    """A folder of files for guests, completed by the image itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an image."""

    kind: PartKind
    key: str
    """Hexadecimal; whoever has the same key has the same part."""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.key[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What a cache has of an image, and what of it is missing.

    Of an image that is built, nothing but the build is known before it is there.
    """

    cache: str
    """Tells one cache from another."""
    fingerprint: str
    """Whoever has the same can use the same compiled modules."""
    has: tuple[Part, ...] = ()
    lacks: tuple[Part, ...] = ()

    @property
    def is_compiled(self) -> bool:
        """Whether nobody has to compile the module."""
        return any(part.kind is PartKind.COMPILED for part in self.has)

    @property
    def is_complete(self) -> bool:
        """Whether a pod can be booted as it is; a module is only for whoever has to compile it."""
        return self.is_compiled and all(part.kind is PartKind.MODULE for part in self.lacks)


class ImageParts:
    """The parts of images in one cache, for one engine."""

    def __init__(self, cache: CacheFolder, fingerprint: str) -> None:
        self.cache = cache
        self._fingerprint = fingerprint
        self._builds = BuildStore(cache)
        self._modules = ModuleStore(cache)
        self._compiled = CompiledFiles(cache, fingerprint)

    def stock(self, reference: str) -> Stock:
        """Say what is here of an image, and what is missing.

        Raises:
            ImageError: it is unknown, or its manifest cannot be read.
        """
        image = find_image(reference)
        has: list[Part] = []
        lacks: list[Part] = []
        if isinstance(image, Blueprint):
            product = self._builds.find(image)
            (lacks if product is None else has).append(Part(PartKind.BUILD, builds.key_of(image)))
            manifest = None if product is None else image.manifest(product)
        else:
            manifest = image
            is_here = self._modules.path_of(manifest) is not None
            (has if is_here else lacks).append(Part(PartKind.MODULE, manifest.sha256))
        if manifest is not None:
            for part, is_here in self._made_here(manifest):
                (has if is_here else lacks).append(part)
        return Stock(
            cache=self.cache.identity(),
            fingerprint=self._fingerprint,
            has=tuple(has),
            lacks=tuple(lacks),
        )

    def _made_here(self, manifest: Manifest) -> list[tuple[Part, bool]]:
        """What an image's preparation makes, and whether it was made."""
        compiled = Part(PartKind.COMPILED, self._compiled.key_of(manifest.sha256))
        made = [compiled]
        made += [
            Part(PartKind.LAYER, layers.key_of(manifest, mount))
            for mount in manifest.mounts
            if layers.is_prepared(mount) and mount.source.is_dir()
        ]
        return [(part, self.has(part)) for part in made]

    def has(self, part: Part) -> bool:
        """Whether a part is here, intact."""
        if part.kind is PartKind.COMPILED:
            return self._compiled.is_here(part.key)
        return self.path_of(part).exists()

    def path_of(self, part: Part) -> Path:
        """Say where a part is kept, whether it is there or not."""
        match part.kind:
            case PartKind.BUILD:
                return self.cache.builds() / part.key
            case PartKind.COMPILED:
                return self.cache.compiled() / f"{part.key}.cwasm"
            case PartKind.MODULE:
                return self.cache.modules() / f"{part.key}.wasm"
            case PartKind.LAYER:
                return self.cache.layers() / part.key
            case _:
                assert_never(part.kind)

    def lock_of(self, part: Part) -> str:
        """Name the lock of the cache under which a part is made, fetched or taken."""
        match part.kind:
            case PartKind.BUILD:
                return builds.lock_of(part.key)
            case PartKind.COMPILED:
                return self._compiled.lock_of(part.key)
            case PartKind.MODULE:
                return store.lock_of(part.key)
            case PartKind.LAYER:
                return layers.lock_of(part.key)
            case _:
                assert_never(part.kind)

    def keep(self, part: Part, draft: Path, sha256: str, scratch: Path) -> None:
        """Put a part, whose bytes are those that somebody meant to give, into the cache.

        Preconditions: the caller holds the part's lock, and `scratch` is its folder.

        Raises:
            PartRefusedError: the bytes are not what such a part must be.
        """
        final = self.path_of(part)
        match part.kind:
            case PartKind.COMPILED:
                self._compiled.keep(part.key, draft, scratch)
            case PartKind.MODULE:
                if sha256 != part.key:
                    raise PartRefusedError(str(part), f"its bytes have the sha256 {sha256}")
                with draft.open("rb") as file:
                    check_module(str(part), file.read(len(MODULE_HEADER)))
                publish(draft, final)
            case PartKind.BUILD | PartKind.LAYER:
                if not final.is_dir():
                    folder = scratch / "unpacked"
                    unpack(part, draft, folder)
                    folder.rename(final)
            case _:
                assert_never(part.kind)


def pack(folder: Path, into: BufferedIOBase) -> None:
    """Write all that is in a folder as one archive."""
    with tarfile.open(fileobj=into, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            entry = archive.gettarinfo(path, str(path.relative_to(folder)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            if entry.isfile():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)


def unpack(part: Part, archive: Path, folder: Path) -> None:
    """Read what `pack` wrote into a new folder.

    Raises:
        PartRefusedError: it is no archive, or has what `pack` never writes.
    """
    folder.mkdir()
    try:
        with tarfile.open(archive, "r:") as entries:
            for entry in entries:
                _unpack(part, entries, entry, folder)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise PartRefusedError(str(part), f"cannot be unpacked: {error}") from error


def _unpack(part: Part, entries: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    place = PurePosixPath(entry.name)
    if place.is_absolute() or ".." in place.parts or not (entry.isfile() or entry.isdir()):
        raise PartRefusedError(str(part), f"has {entry.name!r}, which is no file below its folder")
    path = folder / place
    if entry.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = entries.extractfile(entry)
    assert content is not None, "it is a file"
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file)
