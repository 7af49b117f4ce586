"""The whole way, with the real CPython image in a plain engine without podnet's kernel."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import wasmtime

from pod_node.images import CacheFolder, CompiledImage, ImageLibrary, cache_root
from pod_node.images.errors import UnknownProgramError
from pod_node.progress import Phase, Progress
from pod_node.spec import Mount

CPU_FACTS = Path("/proc/cpuinfo")
OWN_PROGRAM = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 7))))
"""


class PlainEngine:
    """Compiles and runs guests with wasmtime's own WASI."""

    def __init__(self, scratch: Path) -> None:
        self.engine = wasmtime.Engine()
        self.runs = 0
        self._scratch = scratch

    def compile(self, module: bytes) -> bytearray:
        return wasmtime.Module(self.engine, module).serialize()

    def run(self, artifact: Path, argv: Sequence[str], mounts: Sequence[Mount]) -> tuple[int, str]:
        self.runs += 1
        output = self._scratch / f"output-{self.runs}"
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(argv)
        wasi.stdout_file = wasi.stderr_file = str(output)
        for mount in mounts:
            wasi.preopen_dir(str(mount.source), mount.target, not mount.read_only)
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(self.engine)
        linker.define_wasi()
        module = wasmtime.Module.deserialize_file(self.engine, str(artifact))
        status = 0
        try:
            start = linker.instantiate(store, module).exports(store)["_start"]
            assert isinstance(start, wasmtime.Func)
            start(store)
        except wasmtime.ExitTrap as exit_:
            status = exit_.code
        return status, output.read_text() if output.exists() else ""


@pytest.fixture
def plain(tmp_path: Path) -> PlainEngine:
    return PlainEngine(tmp_path)


def library_of(plain: PlainEngine, cache: CacheFolder) -> ImageLibrary:
    processor = [line for line in CPU_FACTS.read_text().splitlines() if line.startswith("flags")]
    fingerprint = f"plain wasmtime {version('wasmtime')} on {processor[:1]}"
    return ImageLibrary(cache, plain.compile, fingerprint, plain.run)


def test_a_module_of_ones_own_is_compiled_and_runs(
    plain: PlainEngine, cache: CacheFolder, tmp_path: Path
) -> None:
    path = tmp_path / "own.wasm"
    path.write_bytes(wasmtime.wat2wasm(OWN_PROGRAM))
    steps: list[Progress] = []
    image = library_of(plain, cache).prepare(f"file:{path}", steps.append)
    assert image.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.arguments(()) == ("own",)
    assert image.arguments(("any", "-v")) == ("any", "-v")
    assert plain.run(image.artifact, ["own"], image.mounts) == (7, "")
    assert steps[-1].phase is Phase.READY
    steps.clear()
    assert library_of(plain, cache).prepare(f"file:{path}", steps.append) == image
    assert [step.phase for step in steps] == [Phase.READY]


def test_a_changed_module_of_ones_own_is_compiled_anew(
    plain: PlainEngine, cache: CacheFolder, tmp_path: Path
) -> None:
    path = tmp_path / "own.wasm"
    library = library_of(plain, cache)
    statuses = []
    for status in (7, 8):
        text = OWN_PROGRAM.replace("const 7", f"const {status}")
        path.write_bytes(wasmtime.wat2wasm(text))
        image = library.prepare(f"file:{path}", lambda _: None)
        statuses.append(plain.run(image.artifact, ["own"], ())[0])
    assert statuses == [7, 8]


@pytest.fixture
def python(plain: PlainEngine) -> CompiledImage:
    """The real image, from the cache that all runs of this user share."""
    cache = CacheFolder(cache_root(os.environ))
    return library_of(plain, cache).prepare("python", lambda _: None)


def test_the_python_image_runs_and_finds_its_library_compiled(
    plain: PlainEngine, python: CompiledImage
) -> None:
    program = "import sys, sqlite3; print(sys.version_info[:2], sqlite3.sqlite_version_info[0])"
    status, output = plain.run(python.artifact, ["python", "-I", "-c", program], python.mounts)
    assert (status, output.strip()) == (0, "(3, 12) 3")
    layer, unpacked = python.mounts
    assert layer.read_only
    assert unpacked.read_only
    assert not (unpacked.source / "unpack.py").exists()
    for path in layer.source.glob("*.py"):
        assert list((layer.source / "__pycache__").glob(f"{path.stem}.cpython-312.pyc"))


def test_a_command_that_the_image_does_not_have_is_refused(python: CompiledImage) -> None:
    assert python.arguments(()) == ("python",)
    assert python.arguments(("python3", "-V")) == ("python3", "-V")
    with pytest.raises(UnknownProgramError, match=r'no program "node"; .*: python, python3'):
        python.arguments(("node", "app.js"))


def test_a_pods_own_variables_win_and_its_folders_follow_the_images(python: CompiledImage) -> None:
    own = (("PYTHONPATH", "/app"), ("NEW", "1"))
    manifest = replace(python.manifest, environment=(("NEW", "0"), ("OLD", "0")))
    assert dict(replace(python, manifest=manifest).environment(own)) == {
        "NEW": "1",
        "OLD": "0",
        "PYTHONPATH": "/usr/lib/python3.12/start:/usr/lib/podnet:/usr/lib/python3.12:/app",
    }
    image = "/usr/lib/python3.12/start:/usr/lib/podnet:/usr/lib/python3.12"
    assert python.environment(()) == (("PYTHONPATH", image),)


def test_guests_import_from_the_unpacked_library(plain: PlainEngine, python: CompiledImage) -> None:
    """Reading the archive's directory took half of the time to a first line."""
    folders = dict(python.environment(()))["PYTHONPATH"].split(":")
    program = f"""
import sys
sys.path[:0] = {folders}
import sitecustomize, email
print(email.__file__, [folder for folder in sys.path if folder.endswith(".zip")])
"""
    _, output = plain.run(python.artifact, ["python", "-S", "-c", program], python.mounts)
    assert output.strip() == "/usr/lib/python3.12/email/__init__.pyc []"
