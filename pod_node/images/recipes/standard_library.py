"""The standard library as guests get it: bytecode only, with what makes it quick to find.

The same shape as `guests/python_library/unpack.py` gives the library of the shipped image: `index`
(marshalled) says which modules there are and whether each is a package, and `start` has what the
interpreter needs before any code of ours can run.
"""

from __future__ import annotations

import marshal
import shutil
from pathlib import Path

from pod_node.images.recipes.recipe import Recipe
from pod_node.images.recipes.workshop import Workshop

PACKAGE = "/__init__"
INDEX_FORMAT = 4
"""Every Python since 3.4 reads it."""
EXTENSIONS = "lib-dynload"
"""A folder that the interpreter looks for, to know where it is; nothing can be in it."""


def gather_library(recipe: Recipe, python: Path, workshop: Workshop, library: Path) -> None:
    """Compile what a recipe does not leave out, into the new folder `library`."""
    draft = workshop.path("library")
    shutil.rmtree(draft, ignore_errors=True)
    source = workshop.path("python", "Lib")
    for path in chosen(recipe, source):
        _copy(source / path, draft / path)
    for path in _own_variables(workshop):
        _copy(path, draft / path.name)
    # Guests trust bytecode of this kind without a look for its source.
    command: list[str | Path] = [python, "-I", "-m", "compileall", "-q", "-b", "-j0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", draft, "-p", recipe.guest_library]
    workshop.run([*command, draft], workshop.folder)
    stems = sorted(str(path.relative_to(draft).with_suffix("")) for path in draft.rglob("*.pyc"))
    for stem in stems:
        _copy(draft / f"{stem}.pyc", library / f"{stem}.pyc")
    for stem in recipe.first:
        _copy(draft / f"{stem}.pyc", library / "start" / f"{stem}.pyc")
    (library / EXTENSIONS).mkdir()
    (library / "index").write_bytes(marshal.dumps(index_of(stems), INDEX_FORMAT))


def chosen(recipe: Recipe, source: Path) -> list[Path]:
    """Give the library's modules that the recipe does not leave out, relative to its folder."""
    left_out = {Path(name) for name in recipe.left_out}
    paths = (path.relative_to(source) for path in source.rglob("*.py"))
    return sorted(path for path in paths if left_out.isdisjoint((path, *path.parents)))


def index_of(stems: list[str]) -> dict[str, bool]:
    """Say of each module whether it is a package."""
    return {stem.removesuffix(PACKAGE): stem.endswith(PACKAGE) for stem in stems}


def _own_variables(workshop: Workshop) -> list[Path]:
    """Find what `sysconfig` reads: how this very interpreter was built."""
    guest = workshop.path("guest")
    folder = (guest / "pybuilddir.txt").read_text(encoding="ascii").strip()
    return sorted((guest / folder).glob("_sysconfigdata*.py"))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
