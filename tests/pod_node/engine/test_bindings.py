"""One test for each use of wasmtime-py's private API: a new version of the wheel must pass them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import wasmtime

from pod_node.engine import bindings
from pod_node.engine.bindings import EngineCallError, GuestExitError, GuestTrapError
from tests.support.lab import shared_compiler
from tests.support.wasi import MODULE

FAR = 1 << 60


@pytest.fixture
def store() -> Iterator[wasmtime.Store]:
    with wasmtime.Store(shared_compiler().engine) as opened:
        opened.set_epoch_deadline(FAR)
        yield opened


def module(text: str) -> wasmtime.Module:
    return shared_compiler().text(text)


def function(store: wasmtime.Store, text: str, parameters: int) -> bindings.UncheckedFunction:
    instance = bindings.instantiate(store, module(text), None)
    return bindings.UncheckedFunction(
        store, bindings.export_named(store, instance, "f"), parameters
    )


def shared_memory() -> wasmtime.SharedMemory:
    kind = wasmtime.MemoryType(wasmtime.Limits(1, 1), shared=True)
    return wasmtime.SharedMemory(shared_compiler().engine, kind)


USES_FABRIC = """(module (import "fabric" "memory" (memory 1 1 shared))
  (func (export "f") (param i32) (result i32)
    (i32.atomic.rmw.add (i32.const 8) (local.get 0))))"""


def test_a_shared_memory_is_an_import_like_any_other(store: wasmtime.Store) -> None:
    memory = shared_memory()
    imports = bindings.extern_array(1)
    imports[0] = bindings.shared_memory_extern(memory)
    instance = bindings.instantiate(store, module(USES_FABRIC), imports)
    add = bindings.UncheckedFunction(store, bindings.export_named(store, instance, "f"), 1)
    assert add.call_i32(5) == 0
    assert add.call_i32(6) == 5
    assert bytes(bindings.shared_memory_view(memory)[8:12]) == b"\x0b\0\0\0"


def test_the_view_of_a_shared_memory_is_writable_and_whole() -> None:
    memory = shared_memory()
    view = bindings.shared_memory_view(memory)
    assert len(view) == 65_536
    assert view.format == "B"
    view[65_535] = 7
    assert bindings.shared_memory_view(memory)[65_535] == 7


def test_stores_share_one_memory() -> None:
    memory = shared_memory()
    results = []
    for _ in range(2):
        with wasmtime.Store(shared_compiler().engine) as each:
            each.set_epoch_deadline(FAR)
            imports = bindings.extern_array(1)
            imports[0] = bindings.shared_memory_extern(memory)
            instance = bindings.instantiate(each, module(USES_FABRIC), imports)
            f = bindings.UncheckedFunction(each, bindings.export_named(each, instance, "f"), 1)
            results.append(f.call_i32(1))
    assert results == [0, 1]


def test_instantiate_reports_missing_imports(store: wasmtime.Store) -> None:
    with pytest.raises(EngineCallError, match="expected 1 imports"):
        bindings.instantiate(store, module(USES_FABRIC), None)


@pytest.mark.parametrize("foreign", [False, True])
def test_instantiate_reports_the_trap_of_a_start_function(
    store: wasmtime.Store, foreign: bool
) -> None:
    text = "(module (func $f unreachable) (start $f))"
    with pytest.raises(GuestTrapError) as caught:
        bindings.instantiate(store, module(text), None, foreign=foreign)
    assert caught.value.code == "UNREACHABLE"


def test_a_foreign_start_function_runs_without_the_gil(store: wasmtime.Store) -> None:
    text = "(module (func $f (loop $l (br $l))) (start $f))"
    ends = threading.Event()
    callback = bindings.epoch_callback(lambda token: 0 if ends.is_set() else 1)
    bindings.watch_epoch(store, callback, 1)

    def start() -> None:
        with pytest.raises(EngineCallError, match="killed"):
            bindings.instantiate(store, module(text), None, foreign=True)

    thread = threading.Thread(target=start)
    thread.start()
    ends.set()  # reached only if the spinning thread has given up the GIL
    while thread.is_alive():
        shared_compiler().engine.increment_epoch()
        thread.join(0.01)


def test_exports_are_read_by_their_index_into_any_place(store: wasmtime.Store) -> None:
    text = """(module
      (func (export "a") (result i32) (i32.const 1))
      (global (export "b") (mut i32) (i32.const -2))
      (func (export "c") (result i32) (i32.const 3)))"""
    instance = bindings.instantiate(store, module(text), None)
    into = bindings.extern_array(3)
    bindings.read_exports(store, instance, (2, 0), into, 1)
    assert bindings.UncheckedFunction(store, into[1], 0).call_i32() == 3
    assert bindings.UncheckedFunction(store, into[2], 0).call_i32() == 1
    with pytest.raises(AssertionError, match="export 3 is missing"):
        bindings.read_exports(store, instance, (3,), into)


def test_a_missing_named_export_is_an_assertion(store: wasmtime.Store) -> None:
    instance = bindings.instantiate(store, module("(module)"), None)
    with pytest.raises(AssertionError, match="export nothing is missing"):
        bindings.export_named(store, instance, "nothing")


@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_global_keeps_32_bits(store: wasmtime.Store, value: int) -> None:
    text = '(module (global (export "g") (mut i32) (i32.const 0)))'
    instance = bindings.instantiate(store, module(text), None)
    extern = bindings.export_named(store, instance, "g")
    bindings.set_global_i32(store, extern, value)
    assert bindings.get_global_i32(store, extern) == value


def test_a_constant_global_cannot_be_set(store: wasmtime.Store) -> None:
    instance = bindings.instantiate(
        store, module('(module (global (export "g") i32 (i32.const 0)))'), None
    )
    with pytest.raises(EngineCallError, match="immutable"):
        bindings.set_global_i32(store, bindings.export_named(store, instance, "g"), 1)


@pytest.mark.parametrize("short", [False, True])
def test_unchecked_calls_take_and_give_64_bits(store: wasmtime.Store, short: bool) -> None:
    text = """(module (func (export "f") (param i64 i64) (result i64)
      (i64.sub (local.get 0) (local.get 1))))"""
    instance = bindings.instantiate(store, module(text), None)
    f = bindings.UncheckedFunction(
        store, bindings.export_named(store, instance, "f"), 2, short=short
    )
    assert f.call(1 << 62, 1) == (1 << 62) - 1
    assert f.call(0, 1) == -1
    assert f.call(0xFFFFFFFFFFFFFFFF, 0) == -1


def test_unchecked_calls_take_and_give_32_bits(store: wasmtime.Store) -> None:
    text = '(module (func (export "f") (param i32) (result i32) (local.get 0)))'
    f = function(store, text, 1)
    assert f.call_i32(0xFFFFFFFF) == -1
    assert f.call_i32(-5) == -5
    assert f.call_i32((7 << 32) | 3) == 3


def test_an_unchecked_call_without_arguments_has_room_for_its_result(
    store: wasmtime.Store,
) -> None:
    assert function(store, '(module (func (export "f") (result i64) (i64.const 9)))', 0).call() == 9


def test_a_trap_of_an_unchecked_call_is_reported_each_time_and_not_afterwards(
    store: wasmtime.Store,
) -> None:
    text = """(module (func (export "f") (param i32) (result i32)
      (i32.div_u (i32.const 6) (local.get 0))))"""
    f = function(store, text, 1)
    for _ in range(3):
        with pytest.raises(GuestTrapError) as caught:
            f.call(0)
        assert caught.value.code == "INTEGER_DIVISION_BY_ZERO"
        assert f.call_i32(2) == 3


def test_a_function_outlives_the_last_other_reference_to_its_store() -> None:
    def make() -> bindings.UncheckedFunction:
        short_lived = wasmtime.Store(shared_compiler().engine)
        short_lived.set_epoch_deadline(FAR)
        return function(short_lived, '(module (func (export "f") (result i32) (i32.const 4)))', 0)

    assert make().call_i32() == 4


def start(store: wasmtime.Store, body: str) -> None:
    """Run a command that may import `proc_exit`."""
    text = f"""(module (import "{MODULE}" "proc_exit" (func $proc_exit (param i32)))
      (memory (export "memory") 1) (func $deeper (call $deeper)) (func (export "_start") {body}))"""
    linker = wasmtime.Linker(shared_compiler().engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    instance = bindings.link(linker, store, module(text))
    bindings.run_start(store, bindings.export_named(store, instance, "_start"))


def test_a_start_that_returns_raises_nothing(store: wasmtime.Store) -> None:
    start(store, "")


def test_a_start_that_exits_says_its_status(store: wasmtime.Store) -> None:
    with pytest.raises(GuestExitError, match="exit status 3") as caught:
        start(store, "(call $proc_exit (i32.const 3))")
    assert caught.value.status == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("unreachable", "UNREACHABLE"),
        ("(call $deeper)", "STACK_OVERFLOW"),
        ("(drop (i32.load (i32.const -4)))", "MEMORY_OUT_OF_BOUNDS"),
    ],
)
def test_a_start_that_traps_says_how(store: wasmtime.Store, body: str, code: str) -> None:
    with pytest.raises(GuestTrapError) as caught:
        start(store, body)
    assert caught.value.code == code
    assert str(caught.value)


def test_a_cloned_linker_has_the_definitions_and_keeps_additions_to_itself(
    store: wasmtime.Store,
) -> None:
    engine = shared_compiler().engine
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    memory = shared_memory()
    clone = bindings.clone_linker(linker, engine)
    bindings.define(clone, store, "fabric", "memory", bindings.shared_memory_extern(memory))
    text = f"""(module (import "fabric" "memory" (memory 1 1 shared))
      (import "{MODULE}" "proc_exit" (func (param i32))))"""
    store.set_wasi(wasmtime.WasiConfig())
    bindings.link(clone, store, module(text))
    with pytest.raises(EngineCallError, match="unknown import: `fabric::memory`"):
        bindings.link(linker, store, module(text))


def test_a_name_is_defined_once(store: wasmtime.Store) -> None:
    linker = wasmtime.Linker(shared_compiler().engine)
    memory = shared_memory()
    extern = bindings.shared_memory_extern(memory)
    bindings.define(linker, store, "fabric", "memory", extern)
    with pytest.raises(EngineCallError, match="defined twice"):
        bindings.define(linker, store, "fabric", "memory", extern)


SPIN = '(module (func (export "_start") (loop $l (br $l))))'


def test_the_epoch_callback_ends_the_store_of_its_token_only() -> None:
    engine = shared_compiler().engine
    asked: list[int] = []
    doomed = {1}
    both_asked = threading.Event()

    def ask(token: int) -> int:
        asked.append(token)
        if {1, 2} <= set(asked):
            both_asked.set()
        return 0 if token in doomed else 1

    callback = bindings.epoch_callback(ask)
    ended: dict[int, str] = {}

    def spin(token: int) -> None:
        with wasmtime.Store(engine) as each:
            bindings.watch_epoch(each, callback, token)
            instance = bindings.instantiate(each, module(SPIN), None)
            try:
                bindings.run_start(each, bindings.export_named(each, instance, "_start"))
            except EngineCallError as error:
                ended[token] = str(error)

    threads = {token: threading.Thread(target=spin, args=(token,)) for token in (1, 2)}
    for thread in threads.values():
        thread.start()
    while not both_asked.is_set() or threads[1].is_alive():
        engine.increment_epoch()
        threads[1].join(0.01)
    assert set(ended) == {1}
    doomed.add(2)
    while threads[2].is_alive():
        engine.increment_epoch()
        threads[2].join(0.01)
    assert all("killed" in text for text in ended.values())


def test_the_epoch_callback_takes_the_largest_token() -> None:
    seen: list[int] = []

    def ask(token: int) -> int:
        seen.append(token)
        return 0

    callback = bindings.epoch_callback(ask)
    with wasmtime.Store(shared_compiler().engine) as store:
        bindings.watch_epoch(store, callback, 0xFFFFFFFF)
        shared_compiler().engine.increment_epoch()
        instance = bindings.instantiate(store, module(SPIN), None)
        with pytest.raises(EngineCallError, match="killed"):
            bindings.run_start(store, bindings.export_named(store, instance, "_start"))
    assert seen == [0xFFFFFFFF]


def test_the_epoch_callback_is_asked_again_after_as_many_changes_as_it_says() -> None:
    engine = shared_compiler().engine
    asked: list[int] = []

    def ask(token: int) -> int:
        asked.append(token)
        return 3

    callback = bindings.epoch_callback(ask)
    with wasmtime.Store(engine) as store:
        bindings.watch_epoch(store, callback, 1)
        instance = bindings.instantiate(store, module('(module (func (export "_start")))'), None)
        start = bindings.export_named(store, instance, "_start")
        times = []
        for _ in range(8):
            bindings.run_start(store, start)
            times.append(len(asked))
            engine.increment_epoch()
    assert times == [0, 1, 1, 1, 2, 2, 2, 3]
