"""The small modules between a guest and the kernel, as text.

A guest must be instantiated before its memory exists, and the kernel needs that memory; so the guest is
linked to a *shim* whose functions jump through a table, then *glue* joins the guest's memory, the fabric and
the engine's own WASI, then the kernel is linked to the glue, and a *fix-up* fills the shim's table.
Exports are in the order in which the next module imports them, so that linking copies arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WASI = "wasi_snapshot_preview1"
FABRIC_PAGES_MOST = 65_535


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's type, in the text format's words."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def text(self) -> str:
        """Return `(param ...) (result ...)`."""
        parts = []
        if self.parameters:
            parts.append(f"(param {' '.join(self.parameters)})")
        if self.results:
            parts.append(f"(result {' '.join(self.results)})")
        return " ".join(parts)

    def arguments(self) -> str:
        """Return a `local.get` of every parameter."""
        return " ".join(f"(local.get {index})" for index in range(len(self.parameters)))


@dataclass(frozen=True, slots=True)
class Function:
    """A named function import or export."""

    name: str
    signature: Signature


GLUE_FUNCTIONS = {
    "copy_in": Signature(("i32", "i32", "i32"), ()),
    "copy_out": Signature(("i32", "i32", "i32"), ()),
    "user_pages": Signature((), ("i32",)),
    "clock_now": Signature(("i32",), ("i64",)),
}
"""What the glue itself gives the kernel; its other imports are the engine's WASI functions."""

CLOCK_TIME_GET = Function("clock_time_get", Signature(("i32", "i64", "i32"), ("i32",)))
"""The one place where anything below reads the host's clock."""


def shim(imports: Sequence[Function]) -> str:
    """Return a module that exports `imports` in order, each a jump through the exported table."""
    lines = [f'(module (table (export "table") {len(imports)} funcref)']
    for index, function in enumerate(imports):
        signature = function.signature
        lines.append(
            f'(func (export "{index}") {signature.text()} '
            f"(call_indirect {signature.text()} {signature.arguments()} (i32.const {index})))"
        )
    return "\n".join([*lines, ")"])


def fixup(imports: Sequence[Function]) -> str:
    """Return a module that fills the shim's table with its imported functions, in order."""
    lines = ["(module"]
    for index, function in enumerate(imports):
        lines.append(f'(import "to" "{index}" (func {function.signature.text()}))')
    lines.append(f'(import "shim" "table" (table {len(imports)} funcref))')
    indices = " ".join(str(index) for index in range(len(imports)))
    lines.append(f"(elem (i32.const 0) func {indices}))")
    return "\n".join(lines)


def glue(kernel_imports: Sequence[Function], natives: Sequence[Function]) -> str:
    """Return the glue of a guest.

    Args:
        kernel_imports: what the kernel imports, in its order.
        natives: WASI functions that the guest gets from the engine as they are.

    The engine's WASI acts on the memory that its caller exports as `memory`, which is why each of its
    functions is wrapped here. Exports: the kernel's imports in order, `natives` in order, then `memory`.
    """
    wrapped = _wasi_functions([*kernel_imports, *natives, CLOCK_TIME_GET])
    lines = ["(module", *(_native_import(function) for function in wrapped)]
    lines.append('(import "guest" "memory" (memory $guest 0))')
    lines.append(f'(import "fabric" "memory" (memory $fabric 1 {FABRIC_PAGES_MOST} shared))')
    lines.extend(_wrapper(function) for function in wrapped)
    lines.append(_GUEST_FUNCTIONS)
    exports = [_export(f"k{i}", function.name) for i, function in enumerate(kernel_imports)]
    exports += [_export(f"n{i}", function.name) for i, function in enumerate(natives)]
    return "\n".join([*lines, *exports, '(export "memory" (memory $guest)))'])


def host_glue(kernel_imports: Sequence[Function]) -> str:
    """Return the glue of the node's own kernel instances, whose user memory is the fabric.

    They have no files, so the engine's WASI functions trap here; only the clock is real.
    """
    wrapped = _wasi_functions(kernel_imports)
    lines = ["(module", _native_import(CLOCK_TIME_GET)]
    lines.append(f'(import "fabric" "memory" (memory $fabric 1 {FABRIC_PAGES_MOST} shared))')
    lines.append("(memory $clock 1)")
    for function in wrapped:
        lines.append(f"(func ${function.name} {function.signature.text()} unreachable)")
    lines.append(_HOST_FUNCTIONS)
    exports = [_export(f"k{i}", function.name) for i, function in enumerate(kernel_imports)]
    return "\n".join([*lines, *exports, '(export "memory" (memory $clock)))'])


_GUEST_FUNCTIONS = """
(func $copy_in (param i32 i32 i32)
  (memory.copy $fabric $guest (local.get 0) (local.get 1) (local.get 2)))
(func $copy_out (param i32 i32 i32)
  (memory.copy $guest $fabric (local.get 0) (local.get 1) (local.get 2)))
(func $user_pages (result i32) (memory.size $guest))
;; The engine writes the time into the caller's memory: borrow eight bytes of the guest, whose only thread
;; is the caller.
(func $clock_now (param $id i32) (result i64) (local $saved i64) (local $time i64)
  (if (i32.eqz (memory.size $guest)) (then (return (i64.const 0))))
  (local.set $saved (i64.load $guest (i32.const 16)))
  (i64.store $guest (i32.const 16) (i64.const 0))
  (drop (call $native_clock_time_get (local.get $id) (i64.const 0) (i32.const 16)))
  (local.set $time (i64.load $guest (i32.const 16)))
  (i64.store $guest (i32.const 16) (local.get $saved))
  (local.get $time))
"""

_HOST_FUNCTIONS = """
(func $copy_in (param i32 i32 i32)
  (memory.copy $fabric $fabric (local.get 0) (local.get 1) (local.get 2)))
(func $copy_out (param i32 i32 i32)
  (memory.copy $fabric $fabric (local.get 0) (local.get 1) (local.get 2)))
(func $user_pages (result i32) (memory.size $fabric))
(func $clock_now (param $id i32) (result i64)
  (drop (call $native_clock_time_get (local.get $id) (i64.const 0) (i32.const 16)))
  (i64.load $clock (i32.const 16)))
"""


def _wasi_functions(functions: Sequence[Function]) -> list[Function]:
    """Return those that the engine's WASI provides, once each."""
    found = {
        function.name: function for function in functions if function.name not in GLUE_FUNCTIONS
    }
    return list(found.values())


def _native_import(function: Function) -> str:
    return f'(import "{WASI}" "{function.name}" (func $native_{function.name} {function.signature.text()}))'


def _wrapper(function: Function) -> str:
    signature = function.signature
    return (
        f"(func ${function.name} {signature.text()} "
        f"(call $native_{function.name} {signature.arguments()}))"
    )


def _export(name: str, function: str) -> str:
    return f'(export "{name}" (func ${function}))'
