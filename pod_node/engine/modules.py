"""The small modules between a guest and the kernel, as text.

A guest must be instantiated before its memory exists, and the kernel needs that memory; so the
guest is linked to a *shim* whose functions jump through a table, then *glue* joins the guest's
memory, the fabric and the engine's own WASI, then the kernel is linked to the glue, and a *fix-up*
fills the shim's table. Exports are in the order in which the next module imports them, so that
linking copies arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pod_node.engine import clocks, guards, parking
from pod_node.engine.metering import HOOK, HOOKS

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
    "park_sequence": Signature(("i32",), ("i32",)),
    "park_wait": Signature(("i32", "i32", "i64"), ("i32",)),
    "park_wake": Signature(("i32",), ()),
}
"""What the glue itself gives the kernel; its other imports are the engine's WASI functions."""

PROC_EXIT = "proc_exit"

KERNEL_STACK_RESERVE_BYTES = 16_384
"""What every call into the kernel must find free of the guest's native stack. A guest may call from
the bottom of its stack; without this its overflow would end the thread in the middle of the kernel,
which holds locks. The kernel's deepest call takes under 2 KiB, found by calling from every
depth."""

CLOCK_TIME_GET = Function("clock_time_get", Signature(("i32", "i64", "i32"), ("i32",)))
"""The one place where anything below reads the host's clock."""
STRING_SIZES = [
    Function(name, Signature(("i32", "i32"), ("i32",)))
    for name in ("args_sizes_get", "environ_sizes_get")
]


def shim(imports: Sequence[Function]) -> str:
    """Return a module that exports `imports` in order, each a jump through the exported table.

    Every function first makes sure that the native stack has room for the kernel.
    """
    lines = [f'(module (table (export "table") {len(imports)} funcref)']
    for index, function in enumerate(imports):
        signature = function.signature
        lines.append(
            f'(func (export "{index}") {signature.text()} (drop (call $reserve (i32.const 0))) '
            f"(call_indirect {signature.text()} {signature.arguments()} (i32.const {index})))"
        )
    return "\n".join([*lines, _reserve(), ")"])


def _reserve() -> str:
    """Return a function with a frame of `KERNEL_STACK_RESERVE_BYTES` that returns at once.

    The engine checks the stack limit against a function's whole frame on entry. This one's is large
    because of values that live across calls, on a path that is never taken.
    """
    count = KERNEL_STACK_RESERVE_BYTES // 16
    calls = [f"(local.set $v{index} (call $reserve (i32.const 0)))" for index in range(count)]
    return "\n".join(
        [
            "(func $reserve (param $taken i32) (result v128)",
            *(f"(local $v{index} v128)" for index in range(count)),
            "(if (i32.eqz (local.get $taken)) (then (return (v128.const i64x2 0 0))))",
            *calls,
            "(v128.const i64x2 0 0)",
            *(f"(local.get $v{index}) v128.xor" for index in range(count)),
            ")",
        ]
    )


def fixup(imports: Sequence[Function]) -> str:
    """Return a module that fills the shim's table with its imported functions, in order.

    After them come those that a guest asks before it grows, for the table `HOOK` of the guest's.
    """
    lines = ["(module"]
    for index, function in enumerate(imports):
        lines.append(f'(import "to" "{index}" (func {function.signature.text()}))')
    growth = range(len(imports), len(imports) + HOOKS)
    lines += [f'(import "to" "{index}" (func (param i32) (result i32)))' for index in growth]
    lines.append(f'(import "shim" "table" (table {len(imports)} funcref))')
    lines.append(f'(import "guest" "{HOOK}" (table {HOOKS} funcref))')
    for table, functions in enumerate((range(len(imports)), growth)):
        indices = " ".join(str(index) for index in functions)
        lines.append(f"(elem (table {table}) (i32.const 0) func {indices})")
    lines.append(")")
    return "\n".join(lines)


def glue(kernel_imports: Sequence[Function], natives: Sequence[Function]) -> str:
    """Return the glue of a guest.

    Args:
        kernel_imports: what the kernel imports, in its order.
        natives: WASI functions that the guest gets from the engine as they are.

    The engine's WASI acts on the memory that its caller exports as `memory`, which is why each of
    its functions is wrapped here. Exports: `origin`, where its monotonic clock begins, the kernel's
    imports in order, `natives` in order, then `status`, what the guest gave to `proc_exit` (the
    engine itself takes no status above 125), and `memory`.
    """
    wrapped = _wasi_functions([*kernel_imports, *natives, CLOCK_TIME_GET, *STRING_SIZES])
    lines = ["(module", *(_native_import(function) for function in wrapped)]
    lines.append('(import "guest" "memory" (memory $guest 0))')
    lines.append(f'(import "fabric" "memory" (memory $fabric 1 {FABRIC_PAGES_MOST} shared))')
    lines += [parking.imports(), parking.functions(), clocks.FUNCTIONS]
    lines.extend(_wrapper(function) for function in wrapped)
    lines += [_GUEST_FUNCTIONS, guards.HELPERS, guards.sizes_of("args"), guards.sizes_of("environ")]
    exports = [_export(f"k{i}", function.name) for i, function in enumerate(kernel_imports)]
    exports += [_export(f"n{i}", function.name) for i, function in enumerate(natives)]
    exports += ['(export "status" (global $status))', '(export "memory" (memory $guest)))']
    return "\n".join([*lines, *exports])


def host_glue(kernel_imports: Sequence[Function]) -> str:
    """Return the glue of the node's own kernel instances, whose user memory is the fabric.

    They have no files, so the engine's WASI functions trap here; only the clock is real. Exports:
    `origin`, the kernel's imports in order, and `memory`.
    """
    wrapped = _wasi_functions(kernel_imports)
    lines = ["(module", _native_import(CLOCK_TIME_GET)]
    lines.append(f'(import "fabric" "memory" (memory $fabric 1 {FABRIC_PAGES_MOST} shared))')
    lines += [parking.imports(), parking.functions(), clocks.FUNCTIONS]
    lines.append("(memory $clock 1)")
    lines.extend(
        f"(func ${function.name} {function.signature.text()} unreachable)" for function in wrapped
    )
    lines.append(_HOST_FUNCTIONS)
    exports = [_export(f"k{i}", function.name) for i, function in enumerate(kernel_imports)]
    return "\n".join([*lines, *exports, '(export "memory" (memory $clock)))'])


def _copy(name: str, to: str, source: str) -> str:
    """Return a function that copies between memories.

    The engine copies by a call of its own, which costs several times what a word does, and most
    copies are of one: a pointer and a length, a size, a byte of a program's.
    """
    words = [
        f"(if (i32.eq (local.get $size) (i32.const {size})) (then "
        f"({store} ${to} align=1 (local.get $to) ({load} ${source} align=1 (local.get $from)))"
        " (return)))"
        for size, load, store in (
            (4, "i32.load", "i32.store"),
            (8, "i64.load", "i64.store"),
            (1, "i32.load8_u", "i32.store8"),
            (2, "i32.load16_u", "i32.store16"),
        )
    ]
    return "\n".join(
        [
            f"(func ${name} (param $to i32) (param $from i32) (param $size i32)",
            "(if (i32.le_u (local.get $size) (i32.const 8)) (then",
            *words,
            "))",
            f"(memory.copy ${to} ${source} (local.get $to) (local.get $from) (local.get $size)))",
        ]
    )


_GUEST_FUNCTIONS = f"""
{_copy("copy_in", to="fabric", source="guest")}
{_copy("copy_out", to="guest", source="fabric")}
(global $status (mut i32) (i32.const 0))
(func $user_pages (result i32) (memory.size $guest))
;; The engine writes the time into the caller's memory: borrow eight bytes of the guest, whose only
;; thread is the caller.
(func $clock_now (param $id i32) (result i64) (local $saved i64) (local $time i64)
  (if (i32.eqz (memory.size $guest)) (then (return (i64.const 0))))
  (local.set $saved (i64.load $guest (i32.const 16)))
  (i64.store $guest (i32.const 16) (i64.const 0))
  (drop (call $native_clock_time_get (local.get $id) (i64.const 0) (i32.const 16)))
  (local.set $time (i64.load $guest (i32.const 16)))
  (i64.store $guest (i32.const 16) (local.get $saved))
  (i64.add (local.get $time) (call $clock_origin (local.get $id))))
"""

_HOST_FUNCTIONS = f"""
{_copy("copy_in", to="fabric", source="fabric")}
{_copy("copy_out", to="fabric", source="fabric")}
(func $user_pages (result i32) (memory.size $fabric))
(func $clock_now (param $id i32) (result i64)
  (drop (call $native_clock_time_get (local.get $id) (i64.const 0) (i32.const 16)))
  (i64.add (i64.load $clock (i32.const 16)) (call $clock_origin (local.get $id))))
"""


def _wasi_functions(functions: Sequence[Function]) -> list[Function]:
    """Return those that the engine's WASI provides, once each."""
    found = {
        function.name: function for function in functions if function.name not in GLUE_FUNCTIONS
    }
    return list(found.values())


def _native_import(function: Function) -> str:
    kind = function.signature.text()
    return f'(import "{WASI}" "{function.name}" (func $native_{function.name} {kind}))'


def _wrapper(function: Function) -> str:
    signature = function.signature
    head = f"(func ${function.name} {signature.text()} "
    if function.name == PROC_EXIT:
        return (
            f"{head} (global.set $status (local.get 0)) (call $native_{PROC_EXIT} (i32.const 0)))"
        )
    guard = guards.guard(function.name)
    return f"{head} {guard} (call $native_{function.name} {signature.arguments()}))"


def _export(name: str, function: str) -> str:
    return f'(export "{name}" (func ${function}))'
