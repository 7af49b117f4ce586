"""The compile cache, with a real engine: made once, checked, and made again when damaged."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from pod_node.images.cache import CacheFolder
from pod_node.images.compiled import CompileCache
from pod_node.images.errors import CacheFullError
from pod_node.progress import Phase, Progress, Reporter


class Engine:
    """A real engine that counts what it compiles."""

    def __init__(self) -> None:
        self.engine = wasmtime.Engine()
        self.compiled = 0

    def compile(self, module: bytes) -> bytearray:
        self.compiled += 1
        return wasmtime.Module(self.engine, module).serialize()

    def runs(self, path: Path) -> bool:
        module = wasmtime.Module.deserialize_file(self.engine, str(path))
        return [export.name for export in module.exports] == ["_start"]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def digest(module: bytes) -> str:
    return hashlib.sha256(module).hexdigest()


@pytest.fixture
def compiled(cache: CacheFolder, engine: Engine) -> CompileCache:
    return CompileCache(cache, engine.compile, "engine 1, x86-64")


def unread() -> bytes:
    pytest.fail("the module was not needed")


def test_a_module_is_compiled_once_and_never_read_again(
    compiled: CompileCache,
    engine: Engine,
    digest: str,
    module: bytes,
    reporter: Reporter,
    steps: list[Progress],
) -> None:
    assert compiled.path_of(digest) is None
    path = compiled.compiled(digest, lambda: module, reporter)
    assert engine.runs(path)
    assert [step.phase for step in steps] == [Phase.COMPILING] * 2
    assert compiled.compiled(digest, unread, reporter) == path == compiled.path_of(digest)
    assert engine.compiled == 1


def test_another_engine_or_processor_has_its_own_file(
    cache: CacheFolder, compiled: CompileCache, digest: str, module: bytes, reporter: Reporter
) -> None:
    compiled.compiled(digest, lambda: module, reporter)
    other = CompileCache(cache, Engine().compile, "engine 2, x86-64")
    assert other.path_of(digest) is None
    assert other.compiled(digest, lambda: module, reporter) != compiled.path_of(digest)


@pytest.mark.parametrize("damage", ["truncated", "one bit", "swapped", "gone"])
def test_a_damaged_file_is_noticed_and_made_again(
    damage: str,
    compiled: CompileCache,
    engine: Engine,
    digest: str,
    module: bytes,
    reporter: Reporter,
) -> None:
    path = compiled.compiled(digest, lambda: module, reporter)
    good = path.read_bytes()
    match damage:
        case "truncated":
            os.truncate(path, len(good) // 2)
        case "one bit":
            facts = path.stat()
            path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        case "swapped":
            path.with_name("evil").write_bytes(bytes(len(good)))
            path.with_name("evil").replace(path)
        case "gone":
            path.unlink()
    assert compiled.path_of(digest) is None
    assert engine.runs(compiled.compiled(digest, lambda: module, reporter))
    assert engine.compiled == 2


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"sha256": 1}', "null", "\0"])
def test_a_damaged_record_counts_as_a_damaged_file(
    record: str,
    compiled: CompileCache,
    engine: Engine,
    digest: str,
    module: bytes,
    reporter: Reporter,
) -> None:
    path = compiled.compiled(digest, lambda: module, reporter)
    path.with_suffix(".json").write_text(record)
    assert compiled.path_of(digest) is None
    assert compiled.compiled(digest, lambda: module, reporter) == path
    assert engine.compiled == 2


def test_an_intact_copy_of_the_cache_is_compared_once_and_used(
    cache: CacheFolder,
    compiled: CompileCache,
    engine: Engine,
    digest: str,
    module: bytes,
    reporter: Reporter,
) -> None:
    path = compiled.compiled(digest, lambda: module, reporter)
    record = path.with_suffix(".json")
    before = record.read_text()
    shutil.copy(path, cache.root / "copy")
    (cache.root / "copy").replace(path)
    assert compiled.compiled(digest, unread, reporter) == path
    assert record.read_text() != before
    assert engine.compiled == 1


def test_what_the_engine_refuses_can_be_discarded(
    compiled: CompileCache, engine: Engine, digest: str, module: bytes, reporter: Reporter
) -> None:
    path = compiled.compiled(digest, lambda: module, reporter)
    compiled.discard(digest)
    compiled.discard(digest)
    assert not path.exists()
    compiled.compiled(digest, lambda: module, reporter)
    assert engine.compiled == 2


def test_a_module_that_does_not_compile_leaves_nothing(
    cache: CacheFolder, compiled: CompileCache, digest: str, reporter: Reporter
) -> None:
    with pytest.raises(wasmtime.WasmtimeError):
        compiled.compiled(digest, lambda: b"\0asm\x01\0\0\0?", reporter)
    assert list(cache.compiled().iterdir()) == []
    assert list((cache.root / "scratch").iterdir()) == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, if this user may mount one."""
    place = tmp_path / "full"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_a_clear_error_and_leaves_no_file(
    full_disk: Path, digest: str, module: bytes, reporter: Reporter
) -> None:
    cache = CacheFolder(full_disk)
    compiled = CompileCache(cache, lambda _: bytes(1024 * 1024), "engine 1")
    with pytest.raises(CacheFullError, match="for a compiled module"):
        compiled.compiled(digest, lambda: module, reporter)
    assert list(cache.compiled().iterdir()) == []
