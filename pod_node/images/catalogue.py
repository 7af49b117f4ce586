"""From an image reference to its manifest.

A reference is what stands behind `image:` in a topology:

- the name of a shipped image, for example `python`, perhaps with a version: `python:3.13`. The
  file of an image is called as the image, and one of another version has that behind a dash;
- a path to a module of one's own (`./module.wasm`) or to a manifest of one's own (`./image.toml`),
  relative to the topology, with or without `file:` before it.

`absolute_reference` is for the edge that knows where the topology stands; everything behind it, the
pod node included, sees names and `file:/absolute/path` only.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pod_node.images.errors import (
    BuiltImageError,
    ManifestError,
    ModuleError,
    UnknownImageError,
)
from pod_node.images.manifest import SIZE_LIMIT_BYTES, Blueprint, Manifest, read_manifest
from pod_node.images.sources import FileSource

MANIFEST_FOLDER = Path(__file__).parent / "manifests"
MODULE_HEADER = b"\0asm\x01\0\0\0"
COMPONENT_HEADER = b"\0asm\x0d\0\x01\0"
_FILE = "file:"
_BEFORE_VERSION = re.compile(r"-(?=[0-9.]+$)")


def known_images() -> tuple[str, ...]:
    """Names of the shipped images, sorted; with the version where there are several."""
    stems = (path.name.removesuffix(".toml") for path in MANIFEST_FOLDER.glob("*.toml"))
    return tuple(sorted(_BEFORE_VERSION.sub(":", stem) for stem in stems))


def absolute_reference(reference: str, folder: Path) -> str:
    """Make a reference independent of the folder that it was written in.

    Raises:
        UnknownImageError: it is neither a known name nor looks like a path.
    """
    path = _path_in(reference)
    if path is not None:
        return f"{_FILE}{(folder / path).absolute()}"
    _shipped(reference)
    return reference


def find_image(reference: str) -> Manifest | Blueprint:
    """Give what a reference stands for.

    Raises:
        UnknownImageError: no such name.
        ManifestError: a manifest file cannot be read or is wrong.
        ModuleError: a module file cannot be read or is no module.
    """
    path = _path_in(reference)
    if path is None:
        return _shipped(reference)
    if path.suffix == ".toml":
        return read_manifest(path)
    return _manifest_of_module(path)


def find_manifest(reference: str) -> Manifest:
    """Give the manifest that a reference stands for, of an image that is not built here.

    Raises:
        BuiltImageError: its module can only be built.
        UnknownImageError, ManifestError, ModuleError: as `find_image` does.
    """
    found = find_image(reference)
    if isinstance(found, Blueprint):
        raise BuiltImageError(reference)
    return found


def _shipped(reference: str) -> Manifest | Blueprint:
    """Read the manifest of a shipped image."""
    if reference in known_images():
        return read_manifest(MANIFEST_FOLDER / f"{reference.replace(':', '-')}.toml")
    name, _, version = reference.partition(":")
    if version and name in known_images():
        image = read_manifest(MANIFEST_FOLDER / f"{name}.toml")
        if image.version == version:
            return image
    raise UnknownImageError(reference, known_images())


def check_module(image: str, head: bytes) -> None:
    """Look at the first bytes of a module.

    Raises:
        ModuleError: they are not those of a core WebAssembly module.
    """
    if head.startswith(COMPONENT_HEADER):
        raise ModuleError(
            image,
            "is a WebAssembly component; podnet runs core modules for WASI preview 1 (wasm32-wasi)",
        )
    if not head.startswith(MODULE_HEADER):
        raise ModuleError(
            image, "is not a WebAssembly module: it does not begin with '\\0asm' version 1"
        )


def _path_in(reference: str) -> Path | None:
    if reference.startswith(_FILE):
        return Path(reference.removeprefix(_FILE))
    if reference.startswith((".", "/")) or reference.endswith((".wasm", ".toml")):
        return Path(reference)
    return None


def _manifest_of_module(path: Path) -> Manifest:
    """Describe a module of one's own; what it is now is what it shall be while it is used."""
    if path.exists() and not path.is_file():
        raise ModuleError(str(path), "is not a file; name a .wasm module or a .toml manifest")
    try:
        with path.open("rb") as file:
            check_module(str(path), file.read(len(MODULE_HEADER)))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise ModuleError(str(path), f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ModuleError(repr(str(path)), "no file can have such a name") from error
    if size > SIZE_LIMIT_BYTES:
        raise ManifestError(str(path), f"is larger than {SIZE_LIMIT_BYTES} bytes")
    source = FileSource(str(path.absolute()))
    return Manifest(name=path.stem, sources=(source,), sha256=digest, size_bytes=size)
