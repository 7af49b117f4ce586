"""Small real modules, manifests for them, and a cache of a test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from pod_node.images.cache import CacheFolder
from pod_node.images.manifest import Manifest
from pod_node.images.sources import FileSource, Source
from pod_node.progress import Progress, Reporter

MakeManifest = Callable[..., Manifest]


@pytest.fixture
def cache(tmp_path: Path) -> CacheFolder:
    return CacheFolder(tmp_path / "cache")


@pytest.fixture
def module() -> bytes:
    return bytes(wasmtime.wat2wasm('(module (func (export "_start")))'))


@pytest.fixture
def module_file(tmp_path: Path, module: bytes) -> Path:
    path = tmp_path / "small.wasm"
    path.write_bytes(module)
    return path


@pytest.fixture
def manifest_of(module: bytes) -> MakeManifest:
    def make(*sources: Source | Path, sha256: str | None = None) -> Manifest:
        return Manifest(
            name="small",
            sources=tuple(
                FileSource(str(source)) if isinstance(source, Path) else source
                for source in sources
            ),
            sha256=sha256 or hashlib.sha256(module).hexdigest(),
            size_bytes=len(module),
        )

    return make


@pytest.fixture
def steps() -> list[Progress]:
    return []


@pytest.fixture
def reporter(steps: list[Progress]) -> Reporter:
    return Reporter("small", steps.append, lambda: 0.0)
