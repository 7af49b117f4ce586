"""Tarballs: those that are at hand are checked, and nothing is asked of a network for them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from pod_node.images.recipes.cpython import CPYTHON
from pod_node.images.recipes.errors import TarballError
from pod_node.images.recipes.recipe import Recipe, Tarball
from pod_node.images.recipes.tarballs import gather
from pod_node.images.recipes.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (tmp_path / "sources").mkdir()
    return Workshop(tmp_path, tmp_path / "log", lambda step: None)


def small_recipe() -> Recipe:
    def tarball(package: str) -> Tarball:
        digest = hashlib.sha256(package.encode()).hexdigest()
        return Tarball(package=package, version="1.0", suffix="tar.gz", sha256=digest)

    names = ("python", "zlib", "bzip2", "sqlite")
    return replace(CPYTHON, **{name: tarball(name) for name in names})  # type: ignore[arg-type]


def fill(folder: Path) -> None:
    for tarball in small_recipe().tarballs:
        (folder / tarball.filename).write_text(tarball.package)


def test_tarballs_that_somebody_put_there_are_enough(workshop: Workshop, tmp_path: Path) -> None:
    fill(tmp_path / "sources")
    gather(small_recipe(), tmp_path / "sources", workshop)


def test_a_tarball_with_other_bytes_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    fill(tmp_path / "sources")
    (tmp_path / "sources" / "zlib_1.0.orig.tar.gz").write_text("other")
    with pytest.raises(TarballError, match="the file in that folder has sha256"):
        gather(small_recipe(), tmp_path / "sources", workshop)


def test_without_apt_the_error_says_which_file_to_put_where(
    workshop: Workshop, tmp_path: Path
) -> None:
    with pytest.raises(TarballError) as failure:
        gather(small_recipe(), tmp_path / "sources", workshop)
    text = str(failure.value)
    assert text.startswith("python_1.0.orig.tar.gz: ")
    assert "no apt-get" in text
    assert hashlib.sha256(b"python").hexdigest() in text
    assert str(tmp_path / "sources") in text
