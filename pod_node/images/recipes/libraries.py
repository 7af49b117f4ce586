"""The C libraries that Python is linked with: zlib, bzip2 and SQLite, for guests."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pod_node.images.recipes.recipe import Recipe
from pod_node.images.recipes.tools import Tools
from pod_node.images.recipes.workshop import Workshop

BZIP2 = ("blocksort", "bzlib", "compress", "crctable", "decompress", "huffman", "randtable")
"""The library's files, among those of its programs."""
OPTIMISATION = ("-O2", "-DNDEBUG")


def build_libraries(
    recipe: Recipe, tools: Tools, workshop: Workshop, environment: Mapping[str, str]
) -> None:
    """Compile them into `dependencies/` of the workshop."""
    work = _Libraries(recipe, tools, workshop, environment)
    work.zlib()
    work.bzip2()
    work.sqlite()


class _Libraries:
    """The libraries of one workshop."""

    def __init__(
        self, recipe: Recipe, tools: Tools, workshop: Workshop, environment: Mapping[str, str]
    ) -> None:
        self._recipe = recipe
        self._tools = tools
        self._workshop = workshop
        self._environment = environment
        for name in ("include", "lib"):
            workshop.path("dependencies", name).mkdir(parents=True, exist_ok=True)

    def zlib(self) -> None:
        folder = self._workshop.path("zlib")
        files = sorted(folder.glob("*.c"))
        self._library("libz.a", files, ("-DHAVE_UNISTD_H",))
        self._headers(folder / "zlib.h", folder / "zconf.h")

    def bzip2(self) -> None:
        folder = self._workshop.path("bzip2")
        self._library("libbz2.a", [folder / f"{name}.c" for name in BZIP2], ())
        self._headers(folder / "bzlib.h")

    def sqlite(self) -> None:
        """Have SQLite's sources write their one large file, and compile that."""
        folder = self._workshop.path("amalgamation")
        folder.mkdir(exist_ok=True)
        top = "../sqlite"
        native = f"{self._tools.zig} cc -O1"
        command: list[str | Path] = [
            self._tools.make,
            "-f",
            f"{top}/Makefile.linux-gcc",
            "sqlite3.c",
        ]
        variables = [f"TOP={top}", f"BCC={native}", f"TCC={native}"]
        self._workshop.run([*command, *variables], folder, self._environment)
        macros = tuple(f"-D{option}" for option in self._recipe.sqlite_options)
        self._library("libsqlite3.a", [folder / "sqlite3.c"], macros)
        self._headers(folder / "sqlite3.h")

    def _library(self, name: str, files: Iterable[Path], options: Sequence[str]) -> None:
        objects = self._workshop.path("objects", name)
        shutil.rmtree(objects, ignore_errors=True)
        objects.mkdir(parents=True)
        compiler: list[str | Path] = [
            self._tools.zig,
            "cc",
            *self._recipe.target,
            *OPTIMISATION,
            *options,
        ]
        for file in files:
            command = [*compiler, "-c", file, "-o", objects / f"{file.stem}.o"]
            self._workshop.run(command, objects, self._environment)
        archive = self._workshop.path("dependencies", "lib", name)
        archive.unlink(missing_ok=True)
        members = sorted(objects.glob("*.o"))
        self._workshop.run(
            [self._tools.zig, "ar", "rcs", archive, *members], objects, self._environment
        )

    def _headers(self, *headers: Path) -> None:
        for header in headers:
            shutil.copy(header, self._workshop.path("dependencies", "include"))
