"""Image manifests: what an image is and where its bytes come from. Reads TOML; fetches nothing.

    name = "python"
    version = "3.12"                      # what `image: python:3.12` asks for; may be left out
    kind = "command"                      # a WASI command module: it has `_start`
    programs = ["python", "python3"]      # what a pod's command may begin with; left out: anything
    entry = ["python"]                    # the command of a pod that gives none
    shell = ["python", "-m", "shell"]     # what people talk to; left out: there is none
    sources = ["pypi:NAME==VERSION#member", "file:module.wasm"]      # tried in this order
    sha256 = "e5dc..."
    size_bytes = 26267204                 # a source that gives more is stopped early

    [environment]                         # for every pod of this image; the pod's own wins
    LANG = "C.UTF-8"

    [search_paths]                        # the same; a pod's own folders come after, with ':'
    PYTHONPATH = "/usr/lib/podnet"

    [script]                              # a program's script is looked for in the working folder
    valued_options = ["-X"]               # options that take the next argument
    instead_of_script = ["-c", "-m"]      # options after which there is no script

    [[mounts]]                            # files that every pod of this image sees, read only
    source = "../guests/python"           # relative to the manifest
    target = "/usr/lib/podnet"
    bytecode = true                       # compile the .py files once, with the image itself
    prepare = ["python", "unpack.py"]     # run this once, with the image itself, on a writable copy

An image that is built on this machine says `build = "RECIPE"` instead of `sources`, `sha256` and
`size_bytes`, and a mount's source may be `build:FOLDER`, a folder of what was built.

Unknown keys are errors.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pod_node.images.errors import ManifestError
from pod_node.images.script import ScriptRule
from pod_node.images.sources import FileSource, Source, parse_source

T = TypeVar("T")

NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}")
VERSION_PATTERN = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}")
_KEYS = (
    "name",
    "version",
    "kind",
    "programs",
    "entry",
    "shell",
    "environment",
    "search_paths",
    "script",
    "mounts",
)
_PULL = ("sources", "sha256", "size_bytes")
"""Keys of images that are fetched."""
_BUILD = ("build",)
"""The key of those that are built."""
_BUILT = "build:"
SIZE_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""No module is larger; wasm's own tools stop near it."""


class ImageKind(Enum):
    """How a module is started."""

    COMMAND = "command"
    """A WASI command: `_start` runs the program, its return or `proc_exit` ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMount:
    """A folder of the host that every pod of an image sees, read only."""

    source: Path
    target: str
    """Absolute path in the guest."""
    bytecode: bool = False
    """Whether its Python files are compiled once, by the image's own interpreter."""
    prepare: tuple[str, ...] = ()
    """A command of the image's own that completes a writable copy, once; guests get what it
    leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image, as declared."""

    name: str
    version: str = ""
    """Of what is in it; empty when the manifest does not say."""
    sources: tuple[Source, ...]
    sha256: str
    """Digest of the module in lower-case hexadecimal."""
    size_bytes: int
    kind: ImageKind = ImageKind.COMMAND
    programs: tuple[str, ...] = ()
    """What a pod's command may begin with; empty allows anything."""
    entry: tuple[str, ...] = ()
    """The command of a pod that gives none; empty means the image's name."""
    shell: tuple[str, ...] = ()
    """The command of a terminal in a pod; empty when there is none."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables of every pod; a pod's own value wins."""
    search_paths: tuple[tuple[str, str], ...] = ()
    """Variables of every pod that list folders; a pod's own folders come after these."""
    script: ScriptRule | None = None
    """How a command names its script; None for programs that run none."""
    mounts: tuple[ImageMount, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What the build of an image has left."""

    module: Path
    sha256: str
    size_bytes: int
    folders: tuple[tuple[str, Path], ...]
    """What the manifest's mounts may name, and where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The manifest of an image that is built on this machine: complete with a product only."""

    name: str
    version: str
    recipe: str
    place: Path
    """The manifest's file."""
    table: Mapping[str, object]

    def manifest(self, product: Product) -> Manifest:
        """Give the image's manifest, once there is a product.

        Raises:
            ManifestError: it names a folder that the product does not have.
        """
        try:
            return _Reader(self.table, self.place.parent, product).manifest()
        except ValueError as error:
            raise ManifestError(str(self.place), str(error)) from error


def read_manifest(path: Path) -> Manifest | Blueprint:
    """Read a manifest file; relative paths in it start from its folder.

    Raises:
        ManifestError: the file cannot be read, or what it says is not a manifest.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ManifestError(str(path), "is not UTF-8 text") from error
    except ValueError as error:
        raise ManifestError(repr(str(path)), "no file can have such a name") from error
    return parse_manifest(text, path)


def parse_manifest(text: str, path: Path) -> Manifest | Blueprint:
    """Parse a manifest's text; `path` is where it stands, for messages and relative paths.

    Raises:
        ManifestError: what the text says is not a manifest.
    """
    try:
        table = tomllib.loads(text)
        reader = _Reader(table, path.parent)
        return reader.blueprint(path) if "build" in table else reader.manifest()
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(str(path), f"is not TOML: {error}") from error
    except ValueError as error:
        raise ManifestError(str(path), str(error)) from error


class _Reader:
    """Takes typed values out of a TOML table; complaints are ValueErrors that name the key."""

    def __init__(
        self, table: Mapping[str, object], folder: Path, product: Product | None = None
    ) -> None:
        self._table = table
        self._folder = folder
        self._product = product

    def manifest(self) -> Manifest:
        self._only(*_KEYS, *(_BUILD if self._product else _PULL))
        product = self._product
        return Manifest(
            name=self._name(),
            version=self._version(),
            kind=self._kind(),
            programs=self._words("programs"),
            entry=self._words("entry"),
            shell=self._words("shell"),
            sources=(FileSource(str(product.module)),) if product else self._sources(),
            sha256=product.sha256 if product else self._sha256(),
            size_bytes=product.size_bytes if product else self._size(),
            environment=self._variables("environment"),
            search_paths=self._variables("search_paths"),
            script=self._script(),
            mounts=self._mounts(),
        )

    def blueprint(self, place: Path) -> Blueprint:
        self._only(*_KEYS, *_BUILD)
        recipe = self._matching("build", NAME_PATTERN, "the name of a recipe")
        return Blueprint(
            name=self._name(),
            version=self._version(),
            recipe=recipe,
            place=place,
            table=self._table,
        )

    def _name(self) -> str:
        return self._matching("name", NAME_PATTERN, "lower-case letters, digits and dashes")

    def _version(self) -> str:
        if "version" not in self._table:
            return ""
        return self._matching("version", VERSION_PATTERN, "numbers with dots between them")

    def _sha256(self) -> str:
        return self._matching("sha256", re.compile("[0-9a-f]{64}"), "64 hexadecimal digits")

    def _only(self, *known: str) -> None:
        for key in self._table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise ValueError(
                    f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                )

    def _get(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._table.get(key, default)
        if value is None:
            raise ValueError(f"the key {key!r} is missing")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{key!r} must be of type {kind.__name__}, not {type(value).__name__}")
        return value

    def _matching(self, key: str, pattern: re.Pattern[str], shape: str) -> str:
        value = self._get(key, str)
        if pattern.fullmatch(value) is None:
            raise ValueError(f"{key!r} must be {shape}, not {value!r}")
        return value

    def _kind(self) -> ImageKind:
        value = self._get("kind", str, ImageKind.COMMAND.value)
        known = [kind.value for kind in ImageKind]
        if value not in known:
            raise ValueError(f"'kind' must be one of {', '.join(known)}, not {value!r}")
        return ImageKind(value)

    def _words(self, key: str) -> tuple[str, ...]:
        words: list[str] = []
        for word in self._get(key, list, []):
            if not isinstance(word, str) or not word or "\0" in word:
                raise ValueError(f"{key!r} must be a list of words, but has {word!r}")
            words.append(word)
        return tuple(words)

    def _sources(self) -> tuple[Source, ...]:
        sources = [self._placed(parse_source(text)) for text in self._words("sources")]
        if not sources:
            raise ValueError("'sources' must name at least one source")
        return tuple(sources)

    def _placed(self, source: Source) -> Source:
        if isinstance(source, FileSource):
            return FileSource(str((self._folder / source.path).absolute()))
        return source

    def _size(self) -> int:
        size = self._get("size_bytes", int)
        if not 8 <= size <= SIZE_LIMIT_BYTES:
            raise ValueError(f"'size_bytes' must be between 8 and {SIZE_LIMIT_BYTES}, not {size}")
        return size

    def _variables(self, key: str) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for name, value in self._get(key, dict, {}).items():
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"{key!r} has {name!r}, which cannot name a variable")
            if not isinstance(value, str) or "\0" in value:
                raise ValueError(f"{key!r} gives {name} the value {value!r}, which is no text")
            pairs.append((name, value))
        return tuple(pairs)

    def _script(self) -> ScriptRule | None:
        if "script" not in self._table:
            return None
        table = _Reader(self._get("script", dict), self._folder)
        table._only("valued_options", "instead_of_script")
        return ScriptRule(
            valued_options=table._words("valued_options"),
            instead_of_script=table._words("instead_of_script"),
        )

    def _mounts(self) -> tuple[ImageMount, ...]:
        mounts: list[ImageMount] = []
        for table in self._get("mounts", list, []):
            if not isinstance(table, dict):
                raise ValueError("'mounts' must be a list of tables: [[mounts]]")
            mounts.append(_Reader(table, self._folder, self._product)._mount())
        return tuple(mounts)

    def _mount(self) -> ImageMount:
        self._only("source", "target", "bytecode", "prepare")
        target = self._get("target", str)
        if not _is_guest_path(target):
            raise ValueError(
                f"'target' must be an absolute path without '.' and '..', not {target!r}"
            )
        source = self._get("source", str)
        if not source or "\0" in source:
            raise ValueError("'source' must name a folder")
        return ImageMount(
            source=self._mounted(source),
            target=target,
            bytecode=self._get("bytecode", bool, False),
            prepare=self._words("prepare"),
        )

    def _mounted(self, source: str) -> Path:
        if self._product is None or not source.startswith(_BUILT):
            return (self._folder / source).absolute()
        folders = dict(self._product.folders)
        name = source.removeprefix(_BUILT)
        if name not in folders:
            raise ValueError(f"'source' names {source!r}, but a build gives {', '.join(folders)}")
        return folders[name]


def _is_guest_path(text: str) -> bool:
    path = PurePosixPath(text)
    return (
        text.startswith("/") and text == str(path) and ".." not in path.parts and "\0" not in text
    )
