"""What a recipe is: pinned tarballs, edits and flags, as values. Pure.

Everything that decides what comes out is in a recipe, so its digest tells one product from another:
a build is done once for each digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pod_node.images.recipes.errors import EditError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tarball:
    """Upstream's release, as Debian keeps it beside its own changes."""

    package: str
    """Debian's source package."""
    version: str
    """Upstream's version as Debian writes it: what stands before the last `-`, without epoch."""
    suffix: str
    """`tar.xz` or `tar.gz`."""
    sha256: str

    @property
    def filename(self) -> str:
        """How Debian calls the file."""
        return f"{self.package}_{self.version}.orig.{self.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change to one file of a tarball."""

    path: str
    """Below the tarball's folder."""
    old: str
    new: str
    why: str

    def apply(self, text: str) -> str:
        """Give the file's changed text.

        Raises:
            EditError: `old` does not occur exactly once.
        """
        found = text.count(self.old)
        if found != 1:
            raise EditError(self.path, f"{self.old!r} occurs {found} times instead of once")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How CPython is built for WASI."""

    name: str
    version: str
    """Of Python, as `major.minor`; whatever compiles for it must have the same."""
    zig: str
    """Version of the compiler, to the last digit."""
    suite: str
    """Of Debian, whose sources these are."""
    python: Tarball
    zlib: Tarball
    bzip2: Tarball
    sqlite: Tarball
    edits: tuple[Edit, ...]
    """Of Python's sources."""
    target: tuple[str, ...]
    """The compiler's options for the machine that a guest runs on."""
    optimisation: tuple[str, ...]
    """The compiler's options for Python itself."""
    linking: tuple[str, ...]
    configure: tuple[str, ...]
    """Options of Python's `configure`."""
    answers: tuple[tuple[str, str], ...]
    """What `configure` would find out wrongly, beside Python's own list for WASI."""
    sqlite_options: tuple[str, ...]
    """Macros that SQLite is compiled with."""
    left_out: tuple[str, ...]
    """Files and folders of the standard library that the product does not have."""
    first: tuple[str, ...]
    """Modules that the interpreter imports before any code of ours can run."""
    source_date_s: int
    """What the product says it was built at, in seconds since 1970: always the same."""
    procedure: int
    """Changes whenever the steps themselves give something else."""

    @property
    def digest(self) -> str:
        """Tells the products of different recipes apart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def tarballs(self) -> tuple[Tarball, ...]:
        """All that is fetched."""
        return self.python, self.zlib, self.bzip2, self.sqlite

    @property
    def guest_library(self) -> str:
        """Where guests see the standard library."""
        return f"/usr/lib/python{self.version}"
