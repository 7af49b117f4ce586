"""Products of recipes: made once, whole or not at all, and images like any other then."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pod_node.images.builds import BuildStore
from pod_node.images.cache import CacheFolder
from pod_node.images.catalogue import find_image
from pod_node.images.errors import ManifestError, ModuleError
from pod_node.images.manifest import Blueprint, parse_manifest
from pod_node.images.recipes import Recipe
from pod_node.images.recipes.errors import BuildFailedError
from pod_node.images.recipes.workshop import Workshop
from pod_node.images.sources import FileSource
from pod_node.images.store import ModuleStore
from pod_node.progress import Phase, Progress, Reporter

TEXT = """
name = "small"
version = "1.0"
build = "cpython"
[[mounts]]
source = "build:library"
target = "/usr/lib/small"
"""


class Making:
    """Makes a small module where the real procedure would make an interpreter."""

    def __init__(self, module: bytes) -> None:
        self.module = module
        self.fails = False
        self.tries: list[Path] = []

    def __call__(self, recipe: Recipe, sources: Path, workshop: Workshop) -> Path:
        self.tries.append(workshop.folder)
        with workshop.step("compiling"):
            product = workshop.path("product")
            (product / "library").mkdir(parents=True, exist_ok=True)
            (product / "module.wasm").write_bytes(self.module)
            (product / "library" / "os.pyc").touch()
            if self.fails:
                raise workshop.failure("it was told to")
        return product


@pytest.fixture
def making(module: bytes) -> Making:
    return Making(module)


@pytest.fixture
def builds(cache: CacheFolder, making: Making) -> BuildStore:
    return BuildStore(cache, making)


def blueprint(text: str = TEXT) -> Blueprint:
    parsed = parse_manifest(text, Path("/images/small.toml"))
    assert isinstance(parsed, Blueprint)
    return parsed


def test_an_image_is_built_once_and_then_fetched_from_what_was_built(
    builds: BuildStore,
    making: Making,
    cache: CacheFolder,
    module: bytes,
    reporter: Reporter,
    steps: list[Progress],
) -> None:
    assert builds.find(blueprint()) is None
    manifest = builds.build(blueprint(), reporter)
    assert [(step.phase, step.doing) for step in steps] == [(Phase.BUILDING, "building: compiling")]
    assert builds.build(blueprint(), reporter) == manifest
    assert len(making.tries) == 1
    assert manifest.sha256 == hashlib.sha256(module).hexdigest()
    assert ModuleStore(cache).pull(manifest, reporter).read_bytes() == module
    (mount,) = manifest.mounts
    assert (mount.source / "os.pyc").is_file()
    product = builds.find(blueprint())
    assert product is not None
    assert manifest.sources == (FileSource(str(product.module)),)


def test_a_build_that_fails_leaves_nothing_to_run_and_the_next_goes_on_in_its_place(
    builds: BuildStore, making: Making, cache: CacheFolder, reporter: Reporter
) -> None:
    making.fails = True
    with pytest.raises(BuildFailedError) as failure:
        builds.build(blueprint(), reporter)
    assert failure.value.log.is_file()
    assert builds.find(blueprint()) is None
    assert list(cache.builds().iterdir()) == []
    making.fails = False
    builds.build(blueprint(), reporter)
    assert making.tries[0] == making.tries[1]
    assert list(cache.building().iterdir()) == [], "a workshop goes when its work is done"


def test_what_is_no_module_is_no_product(
    builds: BuildStore, making: Making, reporter: Reporter
) -> None:
    making.module = b"#!/bin/sh"
    with pytest.raises(ModuleError):
        builds.build(blueprint(), reporter)
    assert builds.find(blueprint()) is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"cpython"', '"perl"', "recipe 'perl', but there are only: cpython"),
        ("build:library", "build:books", "'build:books', but a build gives library"),
    ],
)
def test_a_manifest_that_names_what_is_not_there_is_refused(
    builds: BuildStore, reporter: Reporter, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(ManifestError, match=complaint):
        builds.build(blueprint(TEXT.replace(old, new)), reporter)


def test_a_built_image_has_no_sources_of_its_own() -> None:
    with pytest.raises(ManifestError, match="unknown key 'sha256'"):
        parse_manifest(f'{TEXT.partition("[[")[0]}sha256 = "{"0" * 64}"\n', Path("/i.toml"))


def test_the_shipped_blueprint_names_a_recipe_that_there_is(cache: CacheFolder) -> None:
    image = find_image("python:3.13")
    assert isinstance(image, Blueprint)
    assert BuildStore(cache).find(image) is None
