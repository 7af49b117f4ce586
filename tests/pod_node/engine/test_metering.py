"""Modules whose growth is metered: they do what they did, and ask before they grow."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from hypothesis import example, given
from hypothesis import strategies as st

from pod_node.engine.metering import HOOK, HOOKS, metered
from pod_node.engine.wasm_code import HEADER, Reader, UnknownCodeError, leb
from tests.support.lab import shared_compiler

BINARY = st.binary(max_size=200)

EVERYTHING = """
(module
  (type $point (struct (field (mut i32)) (field f64)))
  (rec (type $node (sub (struct (field (ref null $node))))) (type $row (array (mut i8))))
  (import "a" "f" (func $imported (param i64) (result f32)))
  (import "a" "t" (table $far 5 10 externref))
  (import "a" "g" (global $g (mut i32)))
  (tag $tag (param i32))
  (memory (export "memory") 1)
  (table $near (export "near") 3 funcref)
  (table $rows 2 (ref null $row) (array.new_default $row (i32.const 64)))
  (global $list (ref null $node) (ref.null $node))
  (data $bytes "\\40\\00\\fc\\0f")
  (func $early (local (ref null $row)) (local f64)
    (local.set 1 (f64.const 2.0078125))
    (block (br_if 0 (i32.const 64)))
    (drop (i64.const 0x4000400040)) (drop (f32.const 2.0)) (drop (v128.const i64x2 64 64))
    (drop (i8x16.extract_lane_u 3 (v128.load8_lane 7 (i32.const 64) (v128.const i64x2 0 0))))
    (i32.store offset=64 (i32.const 0) (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
    (atomic.fence)
    (drop (struct.get $point 0 (struct.new_default $point)))
    (drop (br_on_null 0 (local.get 0)))
    (block (br_table 0 0 0 (i32.const 0)))
    (drop (select (result i32) (i32.const 64) (i32.const 0) (i32.const 1)))
    (block $caught (result i32)
      (try_table (catch $tag $caught) (throw $tag (i32.const 64))) (i32.const 0))
    (drop)
    (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 4)) (data.drop $bytes)
    (drop (call $imported (i64.const 1))))
  (start $early)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "grow_near") (param i32) (result i32)
    (table.grow $near (ref.func $early) (local.get 0)))
  (func (export "grow_far") (param i32) (result i32)
    (table.grow $far (ref.null extern) (local.get 0)))
  (func (export "grow_rows") (param i32) (result i32)
    (table.grow $rows (ref.null $row) (local.get 0)))
  (elem declare func $early))
"""


@pytest.fixture
def engine() -> wasmtime.Engine:
    return shared_compiler().engine


def compiled(engine: wasmtime.Engine, text: str) -> wasmtime.Module:
    return wasmtime.Module(engine, metered(bytes(wasmtime.wat2wasm(text))))


class Metered:
    """A module at work, and what it has asked for."""

    def __init__(self, engine: wasmtime.Engine, text: str) -> None:
        self.store = wasmtime.Store(engine)
        self.store.set_epoch_deadline(1 << 40)
        module = compiled(engine, text)
        linker = wasmtime.Linker(engine)
        for item in module.imports:
            assert item.name
            linker.define(self.store, item.module, item.name, self._import(item.type))
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        self.asked: list[tuple[int, int]] = []
        self.permits = True

    def _import(self, kind: object) -> wasmtime.Func | wasmtime.Table | wasmtime.Global:
        if isinstance(kind, wasmtime.FuncType):
            return wasmtime.Func(self.store, kind, lambda _: 1.0)
        if isinstance(kind, wasmtime.TableType):
            return wasmtime.Table(self.store, kind, None)
        assert isinstance(kind, wasmtime.GlobalType)
        return wasmtime.Global(self.store, kind, wasmtime.Val.i32(0))

    def hook(self) -> None:
        number = wasmtime.ValType.i32()
        table = self.exports[HOOK]
        assert isinstance(table, wasmtime.Table)
        for index in range(HOOKS):
            kind = wasmtime.FuncType([number], [number])

            def ask(amount: int, index: int = index) -> int:
                self.asked.append((index, amount))
                return int(self.permits)

            table.set(self.store, index, wasmtime.Func(self.store, kind, ask))

    def call(self, name: str, *arguments: int) -> int:
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        return int(function(self.store, *arguments))


def test_a_module_grows_as_it_likes_until_somebody_is_to_be_asked(engine: wasmtime.Engine) -> None:
    module = Metered(engine, EVERYTHING)
    assert module.call("grow", 2) == 1
    assert module.call("grow_near", 4) == 3
    assert module.call("grow_far", 5) == 5
    assert module.call("grow_far", 1) == -1
    assert module.call("grow_rows", 1) == 2


def test_a_module_asks_before_it_grows_and_gives_back_what_it_did_not_get(
    engine: wasmtime.Engine,
) -> None:
    module = Metered(engine, EVERYTHING)
    module.hook()
    assert module.call("grow", 2) == 1
    assert module.call("grow", 0) == 3, "nothing is no growth"
    assert module.call("grow", 0x7FFFFFFF) == -1
    assert module.call("grow", -1) == -1
    assert module.call("grow_near", 4) == 3
    assert module.call("grow_rows", 1) == 2
    assert module.call("grow_far", 6) == -1
    assert module.asked == [
        *((0, 2), (0, 0x7FFFFFFF), (0, -0x7FFFFFFF)),
        *((1, 4), (1, 1), (1, 6), (1, -6)),
    ]
    module.permits = False
    assert module.call("grow", 1) == -1
    assert module.call("grow_near", 1) == -1
    assert module.call("size") == 3


def test_the_hook_says_with_how_many_elements_tables_begin(engine: wasmtime.Engine) -> None:
    exports = {export.name: export.type for export in compiled(engine, EVERYTHING).exports}
    hook = exports[HOOK]
    assert isinstance(hook, wasmtime.TableType)
    assert (hook.limits.min, hook.limits.max) == (HOOKS, HOOKS + 5 + 3 + 2)


def test_a_module_that_never_grows_has_a_hook_too(engine: wasmtime.Engine) -> None:
    for text in ("(module)", '(module (func (export "f")))', "(module (memory 1))"):
        assert [export.name for export in compiled(engine, text).exports][-1] == HOOK


def test_a_module_with_the_name_of_the_hook_is_no_valid_one(engine: wasmtime.Engine) -> None:
    with pytest.raises(wasmtime.WasmtimeError):
        compiled(engine, f'(module (func (export "{HOOK}")))')


def test_shipped_modules_are_known(kernel: Path) -> None:
    metered(kernel.read_bytes())


@pytest.fixture
def kernel() -> Path:
    return Path(__file__).parents[3] / "pod_node" / "kernel" / "kernel.wasm"


@given(BINARY)
def test_arbitrary_bytes_are_refused_or_taken(data: bytes) -> None:
    for module in (data, HEADER + data):
        try:
            metered(module)
        except UnknownCodeError:
            continue


@example(b"\x00", 84)  # the number of tables: code that grows one that is not there
@given(BINARY, st.integers(0, 400))
def test_arbitrary_changes_of_a_module_are_refused_or_taken(data: bytes, place: int) -> None:
    module = bytes(wasmtime.wat2wasm(EVERYTHING))
    try:
        changed = metered(module[:place] + data + module[place + len(data) :])
    except UnknownCodeError:
        return
    assert changed.startswith(HEADER)


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_are_read_as_they_were_written(number: int) -> None:
    assert Reader(leb(number)).number() == number
