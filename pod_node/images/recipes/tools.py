"""The programs that a build needs, and what to do when one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from pod_node.images.recipes.errors import MissingToolsError
from pod_node.images.recipes.recipe import Recipe

ASK_VERSION = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where they are."""

    zig: Path
    """Compiles for this machine and for guests."""
    make: Path
    tclsh: Path
    """SQLite writes parts of its sources with it."""
    python: Path | None
    """An interpreter of the same version as the product; None: one has to be built first."""

    def for_guests(self, recipe: Recipe) -> str:
        """Give the compiler's command line for guests."""
        return " ".join((str(self.zig), "cc", *recipe.target))


def find_tools(recipe: Recipe) -> Tools:
    """Look for all of them.

    Raises:
        MissingToolsError: names each one that is missing, and the remedy.
    """
    zig, make, tclsh = _zig(recipe.zig), shutil.which("make"), shutil.which("tclsh")
    missing = []
    if zig is None:
        missing.append(
            f"the Zig compiler {recipe.zig}: {sys.executable} -m pip install ziglang=={recipe.zig}"
        )
    if make is None:
        missing.append("make: apt-get install make")
    if tclsh is None:
        missing.append("tclsh, which SQLite's sources need: apt-get install tcl")
    if zig is None or make is None or tclsh is None:
        raise MissingToolsError(recipe.name, tuple(missing))
    return Tools(zig=zig, make=Path(make), tclsh=Path(tclsh), python=_python(recipe.version))


def _zig(wanted: str) -> Path | None:
    try:
        spec = find_spec("ziglang") if version("ziglang") == wanted else None
    except PackageNotFoundError:
        return None
    return Path(spec.origin).with_name("zig") if spec is not None and spec.origin else None


def _python(wanted: str) -> Path | None:
    """Find a CPython of this version that runs."""
    for candidate in (sys.executable, shutil.which(f"python{wanted}")):
        if candidate and _answers(candidate) == f"cpython {wanted}":
            return Path(candidate)
    return None


def _answers(candidate: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [candidate, "-I", "-c", ASK_VERSION],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
