"""Every image error survives pickling and speaks in whole sentences."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pod_node.images import errors
from pod_node.images.errors import (
    BuiltImageError,
    CacheFolderError,
    CacheFullError,
    DigestMismatchError,
    ImageError,
    LayerError,
    ManifestError,
    ModuleError,
    NoSourceError,
    PartRefusedError,
    SourceError,
    UnknownImageError,
    UnknownProgramError,
)
from pod_node.images.recipes import errors as recipes_errors
from pod_node.images.recipes.errors import (
    BuildFailedError,
    EditError,
    MissingToolsError,
    TarballError,
)

ERRORS = [
    BuildFailedError("compiling Python", "make ended with status 2", Path("/cache/build.log")),
    BuiltImageError("python:3.13"),
    CacheFolderError("/cache", "is not a folder"),
    CacheFullError("/cache", "image python"),
    DigestMismatchError("python", "file:/a.wasm", "0" * 64, "1" * 64),
    EditError("Include/a.h", "'int' occurs 0 times instead of once"),
    LayerError("python", "/library", "there is no such folder"),
    ManifestError("/a.toml", "the key 'name' is missing"),
    MissingToolsError("python", ("make: apt-get install make",)),
    ModuleError("python", "is not a module"),
    NoSourceError("python", ("file:/a.wasm: No such file or directory",)),
    PartRefusedError("module 0123", "wrong digest"),
    SourceError("file:/a.wasm", "No such file or directory"),
    TarballError("a.tar.gz", "0" * 64, "/sources", "the archive gives other bytes"),
    UnknownImageError("pyton", ("python",)),
    UnknownProgramError("python", "ruby", ("python", "python3")),
]


def test_the_list_is_complete() -> None:
    modules = (errors.__name__, recipes_errors.__name__)
    ours = {kind for kind in ImageError.__subclasses__() if kind.__module__ in modules}
    assert {type(error) for error in ERRORS} == ours


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_reads_the_same_after_pickling(error: ImageError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) != ""
    assert str(error.args[0]) in str(error)
