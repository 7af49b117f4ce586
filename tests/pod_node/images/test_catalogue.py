"""References: names, paths, and what is said when they lead nowhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pod_node.images.catalogue import (
    absolute_reference,
    find_image,
    find_manifest,
    known_images,
)
from pod_node.images.errors import BuiltImageError, ImageError, ModuleError, UnknownImageError
from pod_node.images.sources import FileSource


def test_python_is_known() -> None:
    assert "python" in known_images()
    assert find_manifest("python").entry == ("python",)


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownImageError, match='"pyton"; did you mean "python"'):
        absolute_reference("pyton", Path("/topology"))
    with pytest.raises(UnknownImageError, match=r'"zzz"\. Known images: '):
        find_manifest("zzz")


@pytest.mark.parametrize("reference", ["./m.wasm", "m.wasm", "file:m.wasm", "../topology/m.wasm"])
def test_a_path_is_relative_to_the_topology(reference: str, module: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "topology"
    folder.mkdir()
    (folder / "m.wasm").write_bytes(module)
    absolute = absolute_reference(reference, folder)
    assert absolute.startswith("file:/")
    assert absolute_reference(absolute, Path("/elsewhere")) == absolute
    manifest = find_manifest(absolute)
    assert manifest.name == "m"
    assert manifest.sha256 == hashlib.sha256(module).hexdigest()
    assert manifest.size_bytes == len(module)
    (source,) = manifest.sources
    assert isinstance(source, FileSource)
    assert Path(source.path).read_bytes() == module


def test_a_path_to_a_manifest_is_that_manifest(tmp_path: Path) -> None:
    text = f'name = "own"\nsources = ["file:own.wasm"]\nsha256 = "{"0" * 64}"\nsize_bytes = 9\n'
    (tmp_path / "own.toml").write_text(text)
    manifest = find_manifest(absolute_reference("./own.toml", tmp_path))
    assert manifest.sources == (FileSource(str(tmp_path / "own.wasm")),)


def test_a_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wasm").write_text("(module)")
    with pytest.raises(ModuleError, match="is not a WebAssembly module"):
        find_manifest(f"file:{tmp_path}/text.wasm")
    (tmp_path / "component.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
    with pytest.raises(ModuleError, match="is a WebAssembly component"):
        find_manifest(f"file:{tmp_path}/component.wasm")


def test_a_missing_module_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"absent\.wasm: cannot be read: No such file"):
        find_manifest(f"file:{tmp_path}/absent.wasm")
    with pytest.raises(ModuleError, match="is not a file"):
        find_manifest(f"file:{tmp_path}")
    os.mkfifo(tmp_path / "pipe.wasm")
    with pytest.raises(ModuleError, match="is not a file"):
        find_manifest(f"file:{tmp_path}/pipe.wasm")


@given(st.text())
def test_any_reference_is_made_absolute_or_refused(reference: str) -> None:
    try:
        absolute = absolute_reference(reference, Path("/topology"))
    except ImageError as error:
        assert str(error)
    else:
        assert absolute in known_images() or absolute.startswith("file:/")


@given(st.text())
@example("a\0b")
@example("a\0b.toml")
@example("\udc80")
def test_any_path_that_does_not_exist_is_an_image_error(path: str) -> None:
    with pytest.raises(ImageError):
        find_manifest(f"file:/absent/{path}")


def test_a_version_after_the_name_chooses_among_images() -> None:
    assert find_image("python:3.12") == find_image("python")
    assert find_image("python:3.13").version == "3.13"
    with pytest.raises(UnknownImageError, match="unknown image"):
        find_image("python:2.7")


def test_an_image_that_is_built_is_not_fetched() -> None:
    with pytest.raises(BuiltImageError, match=r"podnet image build python:3\.13"):
        find_manifest("python:3.13")
