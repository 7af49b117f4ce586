"""Layers: bytecode is made once, by whoever runs the guest, and failures say why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pod_node.images.cache import CacheFolder
from pod_node.images.errors import LayerError
from pod_node.images.layers import LayerCache
from pod_node.images.manifest import ImageMount, Manifest
from pod_node.images.sources import FileSource
from pod_node.progress import Reporter
from pod_node.spec import Mount

ARTIFACT = Path("/artifact.cwasm")


@dataclass
class HostPython:
    """Runs a "guest" with this machine's own interpreter, below the folder that is mounted."""

    runs: list[list[str]] = field(default_factory=list)

    def __call__(
        self, artifact: Path, argv: Sequence[str], mounts: Sequence[Mount]
    ) -> tuple[int, str]:
        assert artifact == ARTIFACT
        (mount,) = mounts
        assert not mount.read_only
        self.runs.append(list(argv))
        words = [str(mount.source) if word == mount.target else word for word in argv[1:]]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "library"
    (path / "package").mkdir(parents=True)
    (path / "one.py").write_text("answer = 42\n")
    (path / "package" / "__init__.py").write_text("")
    (path / "notes.txt").write_text("not for guests")
    return path


@pytest.fixture
def manifest() -> Manifest:
    sources = (FileSource("/a.wasm"),)
    return Manifest(name="python", sources=sources, sha256="a" * 64, size_bytes=8)


def mount_of(folder: Path) -> ImageMount:
    return ImageMount(source=folder, target="/usr/lib/podnet", bytecode=True)


def test_a_layer_has_sources_and_unchecked_bytecode_and_is_made_once(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    python = HostPython()
    layers = LayerCache(cache, python)
    mount = layers.prepare(manifest, mount_of(folder), ARTIFACT, reporter)
    assert mount == layers.prepare(manifest, mount_of(folder), ARTIFACT, reporter)
    assert (mount.target, mount.read_only) == ("/usr/lib/podnet", True)
    assert (mount.source / "one.py").read_text() == "answer = 42\n"
    assert (mount.source / "package" / "__init__.py").is_file()
    assert not (mount.source / "notes.txt").exists()
    (bytecode,) = (mount.source / "__pycache__").glob("one.*.pyc")
    assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == 1  # PEP 552: hash, unchecked
    assert len(python.runs) == 1
    assert python.runs[0][0] == "python"
    assert not list(folder.rglob("__pycache__"))


def test_a_changed_file_makes_another_layer(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    layers = LayerCache(cache, HostPython())
    first = layers.prepare(manifest, mount_of(folder), ARTIFACT, reporter)
    (folder / "one.py").write_text("answer = 43\n")
    second = layers.prepare(manifest, mount_of(folder), ARTIFACT, reporter)
    assert first.source != second.source
    assert (second.source / "one.py").read_text() == "answer = 43\n"


def test_files_that_do_not_compile_are_an_error_with_what_the_guest_said(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    (folder / "bad.py").write_text("def\n")
    with pytest.raises(LayerError, match=r"(?s)image python: .*library.*bad\.py.*SyntaxError"):
        LayerCache(cache, HostPython()).prepare(manifest, mount_of(folder), ARTIFACT, reporter)
    assert list(cache.layers().iterdir()) == []


def test_a_mount_without_bytecode_is_the_folder_itself(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    python = HostPython()
    plain = ImageMount(source=folder, target="/files")
    mount = LayerCache(cache, python).prepare(manifest, plain, ARTIFACT, reporter)
    assert mount == Mount(source=folder, target="/files", read_only=True, layer=True)
    assert python.runs == []


def test_a_folder_that_does_not_exist_is_named(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    with pytest.raises(LayerError, match=r"/absent: there is no such folder"):
        LayerCache(cache, HostPython()).prepare(
            manifest, mount_of(folder / "absent"), ARTIFACT, reporter
        )


def test_a_command_completes_a_layer_and_its_failure_is_an_error(
    cache: CacheFolder, folder: Path, manifest: Manifest, reporter: Reporter
) -> None:
    def run(artifact: Path, argv: Sequence[str], mounts: Sequence[Mount]) -> tuple[int, str]:
        (mounts[0].source / "made.txt").write_text(" ".join(argv))
        return (0, "") if argv[1] == "well" else (3, "first\nlast words\n")

    well = replace(mount_of(folder), bytecode=False, prepare=("make", "well"))
    layer = LayerCache(cache, run).prepare(manifest, well, ARTIFACT, reporter)
    assert (layer.source / "made.txt").read_text() == "make well"
    assert not (folder / "made.txt").exists()
    badly = replace(well, prepare=("make", "badly"))
    with pytest.raises(LayerError, match=r"make badly ended with status 3: first \| last words"):
        LayerCache(cache, run).prepare(manifest, badly, ARTIFACT, reporter)
    assert [path.name for path in cache.layers().iterdir()] == [layer.source.name]
