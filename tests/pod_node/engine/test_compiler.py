"""What a node compiles when it starts, and what it finds compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from pod_node.engine import Compiler
from pod_node.images import CacheFolder
from tests.support.lab import shared_compiler

TEXT = '(module (func (export "seven") (result i32) i32.const 7))'


@pytest.fixture
def cache(tmp_path: Path) -> CacheFolder:
    return CacheFolder(tmp_path / "cache")


def another(cache: CacheFolder) -> Compiler:
    """Another process's compiler, as far as this engine's being the only one allows it."""
    return Compiler(shared_compiler().engine, cache)


def seven(module: wasmtime.Module) -> int:
    store = wasmtime.Store(module_engine())
    store.set_epoch_deadline(1)
    function = wasmtime.Instance(store, module, []).exports(store)["seven"]
    assert isinstance(function, wasmtime.Func)
    return int(function(store))


def module_engine() -> wasmtime.Engine:
    return shared_compiler().engine


def compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something is compiled")

    monkeypatch.setattr(wasmtime.Module, "__init__", refuse)


def test_the_kernel_and_linking_modules_are_compiled_once_for_all_nodes(
    cache: CacheFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = another(cache)
    first.kernel()
    assert seven(first.text(TEXT)) == 7
    compile_nothing(monkeypatch)
    second = another(cache)
    assert [export.name for export in second.kernel().exports] == [
        export.name for export in first.kernel().exports
    ]
    assert seven(second.text(TEXT)) == 7


def test_a_kept_module_that_the_engine_refuses_is_compiled_anew(
    cache: CacheFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Compiler, "_serialize_own", lambda self, module: b"of another engine")
        assert seven(another(cache).text(TEXT)) == 7
    assert not list(cache.compiled().iterdir())
    assert seven(another(cache).text(TEXT)) == 7
    compile_nothing(monkeypatch)
    assert seven(another(cache).text(TEXT)) == 7


def test_a_cache_that_cannot_be_used_keeps_no_node_from_starting(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert seven(another(CacheFolder(tmp_path / "cache")).text(TEXT)) == 7
