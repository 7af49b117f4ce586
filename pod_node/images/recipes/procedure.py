"""The steps from a recipe to its product: `module.wasm` and `library/` in one folder.

Each step is done once for a workshop, so a try that was ended half-way goes on where it stopped;
`make` does the same within the long ones.
"""

from __future__ import annotations

import os
import platform
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from pod_node.images.recipes.libraries import build_libraries
from pod_node.images.recipes.recipe import Edit, Recipe, Tarball
from pod_node.images.recipes.standard_library import gather_library
from pod_node.images.recipes.tarballs import gather
from pod_node.images.recipes.tools import Tools, find_tools
from pod_node.images.recipes.workshop import Workshop

MODULE = "module.wasm"
LIBRARY = "library"
"""Names in the product's folder."""
CONFIG_SITE = "Tools/wasm/config.site-wasm32-wasi"
"""Python's own list of what its `configure` cannot find out about WASI."""
NATIVE_LEFT_OUT = (
    "_bz2",
    "_ctypes",
    "_curses",
    "_curses_panel",
    "_dbm",
    "_gdbm",
    "_hashlib",
    "_lzma",
    "_sqlite3",
    "_ssl",
    "_tkinter",
    "_uuid",
    "readline",
    "zlib",
)
"""Modules that depend on libraries of the machine; an interpreter that only compiles needs none."""


def make(recipe: Recipe, sources: Path, workshop: Workshop) -> Path:
    """Carry out a recipe and return the folder of its product.

    Args:
        recipe: What to make.
        sources: Where tarballs are kept.
        workshop: Where the work is done; may hold what an earlier try left.

    Raises:
        ImageError: with a text for people.
    """
    tools = find_tools(recipe)
    workshop.settle(repr(tools))
    work = _Work(recipe, tools, workshop)
    with workshop.step("fetching the sources"):
        gather(recipe, sources, workshop)
    workshop.once("unpacking the sources", lambda: work.unpack(sources))
    if tools.python is None:
        workshop.once("building a Python for this machine", work.build_native)
    workshop.once("compiling zlib, bzip2 and SQLite", work.build_libraries)
    workshop.once("configuring Python", work.configure)
    workshop.once("compiling Python", work.compile)
    workshop.once("compiling the standard library", work.gather)
    return work.product


@dataclass(frozen=True, slots=True)
class _Work:
    """One recipe in one workshop, with these tools."""

    recipe: Recipe
    tools: Tools
    workshop: Workshop

    @property
    def product(self) -> Path:
        return self.workshop.path("product")

    @property
    def python(self) -> Path:
        """The interpreter of this machine that works for the other."""
        return self.tools.python or self.workshop.path("native", "python")

    def unpack(self, sources: Path) -> None:
        for name, tarball in _named(self.recipe):
            folder = self.workshop.path(name)
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(sources / tarball.filename, folder)
        for edit in self.recipe.edits:
            _edit(self.workshop.path("python"), edit)

    def build_native(self) -> None:
        compiler = f"{self.tools.zig} cc"
        variables = {f"py_cv_module_{name}": "n/a" for name in NATIVE_LEFT_OUT}
        variables |= {"CC": compiler, "OPT": "-O1 -DNDEBUG -Wno-date-time"}
        options = ("--without-ensurepip", "--disable-test-modules", "MODULE_BUILDTYPE=static")
        self._configure("native", variables, *options)
        self._make("native", "python", "pybuilddir.txt")

    def build_libraries(self) -> None:
        build_libraries(self.recipe, self.tools, self.workshop, self._environment())

    def configure(self) -> None:
        answers = self.workshop.path("config.site")
        own = "".join(f"{name}={value}\n" for name, value in self.recipe.answers)
        theirs = self.workshop.path("python", CONFIG_SITE).read_text(encoding="utf-8")
        answers.write_text(theirs + own, encoding="utf-8")
        dependencies = self.workshop.path("dependencies")
        variables = {
            "CONFIG_SITE": str(answers),
            "CC": self.tools.for_guests(self.recipe),
            "CPPFLAGS": f"-I{dependencies}/include",
            "LDFLAGS": f"-L{dependencies}/lib",
            "OPT": " ".join(self.recipe.optimisation),
            "READELF": "true",
        }
        across = [
            "--host=wasm32-wasi",
            f"--build={platform.machine()}-linux-gnu",
            f"--with-build-python={self.python}",
        ]
        self._configure("guest", variables, *across, *self.recipe.configure)

    def compile(self) -> None:
        linking = f"CONFIGURE_LDFLAGS_NODIST={' '.join(self.recipe.linking)}"
        self._make("guest", linking, "python.wasm", "pybuilddir.txt")

    def gather(self) -> None:
        shutil.rmtree(self.product, ignore_errors=True)
        self.product.mkdir()
        shutil.copyfile(self.workshop.path("guest", "python.wasm"), self.product / MODULE)
        gather_library(self.recipe, self.python, self.workshop, self.product / LIBRARY)

    def _configure(self, folder: str, variables: dict[str, str], *options: str) -> None:
        place = self.workshop.path(folder)
        place.mkdir(exist_ok=True)
        # By a relative path, so that no path of this machine gets into the product.
        command = ["/bin/sh", "../python/configure", *options]
        self.workshop.run(command, place, self._environment() | variables)

    def _make(self, folder: str, *targets: str) -> None:
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        command: list[str | Path] = [self.tools.make, jobs, *targets]
        self.workshop.run(command, self.workshop.path(folder), self._environment())

    def _environment(self) -> dict[str, str]:
        cache, zig = str(self.workshop.path("zig-cache")), self.tools.zig
        return {
            "AR": f"{zig} ar",
            "RANLIB": f"{zig} ranlib",
            "PKG_CONFIG": "/bin/false",  # it would speak of this machine's libraries
            "SOURCE_DATE_EPOCH": str(self.recipe.source_date_s),
            "ZIG_GLOBAL_CACHE_DIR": cache,
            "ZIG_LOCAL_CACHE_DIR": cache,
        }


def _named(recipe: Recipe) -> tuple[tuple[str, Tarball], ...]:
    return (
        ("python", recipe.python),
        ("zlib", recipe.zlib),
        ("bzip2", recipe.bzip2),
        ("sqlite", recipe.sqlite),
    )


def _unpack(tarball: Path, folder: Path) -> None:
    """Unpack a tarball as `folder`, without the one folder that everything in it is in."""
    folder.mkdir()
    with tarfile.open(tarball) as archive:
        for member in archive:
            inner = member.name.removeprefix("./").partition("/")[2]
            if inner:
                archive.extract(member.replace(name=inner), folder, filter="data")


def _edit(folder: Path, edit: Edit) -> None:
    path = folder / edit.path
    path.write_text(edit.apply(path.read_text(encoding="utf-8")), encoding="utf-8")
