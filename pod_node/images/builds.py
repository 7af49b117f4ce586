"""Products of recipes: built once on this machine, kept by their recipe's digest.

Owns three folders of the cache: `builds/` (a product is in it whole or not at all), `building/`
(workshops of builds that have not ended well, with their logs; the next try goes on there) and
`sources/` (tarballs). A product's own digest is taken when it is made; from then on its module is
one like any other.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pod_node.images.cache import CacheFolder
from pod_node.images.catalogue import MODULE_HEADER, check_module
from pod_node.images.errors import ManifestError
from pod_node.images.manifest import Blueprint, Manifest, Product
from pod_node.images.recipes import RECIPES, Recipe, make
from pod_node.images.recipes.procedure import LIBRARY, MODULE
from pod_node.images.recipes.workshop import Workshop
from pod_node.progress import Phase, Reporter

FACTS = "product.json"
LOG = "build.log"

Make = Callable[[Recipe, Path, Workshop], Path]
"""Carries out a recipe, with tarballs from a folder, in a workshop; returns the product."""


class BuildStore:
    """Builds images that are made from source, and keeps what comes out."""

    def __init__(self, cache: CacheFolder, make: Make = make) -> None:
        self._cache = cache
        self._make = make

    def find(self, blueprint: Blueprint) -> Product | None:
        """Give what an earlier build has left; None if there was none."""
        return _read(self._place(_recipe(blueprint)))

    def build(self, blueprint: Blueprint, reporter: Reporter) -> Manifest:
        """Build an image, unless that was done before, and give its manifest.

        Raises:
            ImageError: with a text for people.
        """
        recipe = _recipe(blueprint)
        place = self._place(recipe)
        product = _read(place)
        if product is None:
            wanted, on_wait = (
                f"the build of {blueprint.name}",
                partial(reporter.tell, Phase.WAITING),
            )
            with self._cache.work(lock_of(recipe.digest), wanted, on_wait):
                product = _read(place) or self._build(recipe, place, reporter)
        return blueprint.manifest(product)

    def _build(self, recipe: Recipe, place: Path, reporter: Reporter) -> Product:
        folder = self._cache.building() / recipe.digest
        folder.mkdir(mode=0o700, exist_ok=True)
        on_step = partial(_tell, reporter)
        workshop = Workshop(folder, folder / LOG, on_step)
        made = self._make(recipe, self._cache.sources(), workshop)
        _seal(recipe, made)
        os.sync()  # the product is thousands of files; all of them before the folder's new name
        made.rename(place)
        shutil.rmtree(folder, ignore_errors=True)
        product = _read(place)
        assert product is not None, "it has just been made"
        return product

    def _place(self, recipe: Recipe) -> Path:
        return self._cache.builds() / recipe.digest


def key_of(blueprint: Blueprint) -> str:
    """Name the product of a blueprint by all that it depends on.

    Raises:
        ManifestError: there is no such recipe.
    """
    return _recipe(blueprint).digest


def lock_of(key: str) -> str:
    """Name the lock under which an image is built."""
    return f"build-{key}"


def _recipe(blueprint: Blueprint) -> Recipe:
    recipe = RECIPES.get(blueprint.recipe)
    if recipe is None:
        known = ", ".join(RECIPES)
        reason = f"'build' names the recipe {blueprint.recipe!r}, but there are only: {known}"
        raise ManifestError(str(blueprint.place), reason)
    return recipe


def _tell(reporter: Reporter, step: str) -> None:
    reporter.tell(Phase.BUILDING, source=step)


def _seal(recipe: Recipe, made: Path) -> None:
    module = (made / MODULE).read_bytes()
    check_module(recipe.name, module[: len(MODULE_HEADER)])
    facts = {"sha256": hashlib.sha256(module).hexdigest(), "size_bytes": len(module)}
    (made / FACTS).write_text(json.dumps(facts), encoding="ascii")


def _read(place: Path) -> Product | None:
    try:
        facts = json.loads((place / FACTS).read_bytes())
    except FileNotFoundError:
        return None
    return Product(
        module=place / MODULE,
        sha256=str(facts["sha256"]),
        size_bytes=int(facts["size_bytes"]),
        folders=(("library", place / LIBRARY),),
    )
