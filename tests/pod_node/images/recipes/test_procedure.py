"""Parts of the procedure on small inputs of the same shape as the real ones."""

from __future__ import annotations

import io
import marshal
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

from pod_node.images.recipes.cpython import CPYTHON
from pod_node.images.recipes.procedure import _Work
from pod_node.images.recipes.recipe import Edit
from pod_node.images.recipes.standard_library import chosen, gather_library, index_of
from pod_node.images.recipes.tools import Tools
from pod_node.images.recipes.workshop import Workshop

NOTHING = Path("/nonexistent")
TOOLS = Tools(zig=NOTHING, make=NOTHING, tclsh=NOTHING, python=None)


def pack(path: Path, files: dict[str, str]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_tarballs_are_unpacked_without_their_top_folder_and_edited(tmp_path: Path) -> None:
    edits = (Edit(path="Include/a.h", old="int", new="void", why="a test"),)
    recipe = replace(CPYTHON, edits=edits)
    sources = tmp_path / "sources"
    sources.mkdir()
    for tarball in recipe.tarballs:
        pack(sources / tarball.filename, {"top-1.0/Include/a.h": "int f(x);", "top-1.0/b": "b"})
    work = _Work(recipe, TOOLS, Workshop(tmp_path, tmp_path / "log", lambda step: None))
    for _ in range(2):  # the second finds what a try that was ended half-way has left
        work.unpack(sources)
    assert (tmp_path / "python" / "Include" / "a.h").read_text() == "void f(x);"
    assert (tmp_path / "zlib" / "Include" / "a.h").read_text() == "int f(x);"
    assert (tmp_path / "sqlite" / "b").read_text() == "b"


def test_the_library_is_bytecode_with_an_index_and_what_a_start_needs(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    recipe = replace(
        CPYTHON, version=version, left_out=("test", "json/tool.py"), first=("encodings/__init__",)
    )
    source = tmp_path / "python" / "Lib"
    files = ("os.py", "json/__init__.py", "json/tool.py", "encodings/__init__.py", "test/x.py")
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("def here(): return here.__code__.co_filename\n")
    built = tmp_path / "guest" / "build"
    built.mkdir(parents=True)
    (tmp_path / "guest" / "pybuilddir.txt").write_text("build")
    (built / "_sysconfigdata__wasi.py").write_text("build_time_vars = {}\n")
    workshop = Workshop(tmp_path, tmp_path / "log", lambda step: None)
    library = tmp_path / "product"
    gather_library(recipe, Path(sys.executable), workshop, library)

    found = sorted(str(path.relative_to(library)) for path in library.rglob("*.pyc"))
    assert found == [
        "_sysconfigdata__wasi.pyc",
        "encodings/__init__.pyc",
        "json/__init__.pyc",
        "os.pyc",
        "start/encodings/__init__.pyc",
    ]
    assert marshal.loads((library / "index").read_bytes()) == {
        "_sysconfigdata__wasi": False,
        "encodings": True,
        "json": True,
        "os": False,
    }
    namespace: dict[str, object] = {}
    exec(marshal.loads((library / "os.pyc").read_bytes()[16:]), namespace)
    here = namespace["here"]
    assert callable(here)
    assert here() == f"/usr/lib/python{version}/os.py", "tracebacks name a guest's place"


def test_a_folder_that_is_left_out_takes_all_below_it_along(tmp_path: Path) -> None:
    for name in ("test/a.py", "test/sub/b.py", "testing.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert chosen(replace(CPYTHON, left_out=("test",)), tmp_path) == [Path("testing.py")]
    assert index_of(["a", "b/__init__"]) == {"a": False, "b": True}
