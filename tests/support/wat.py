"""Small guests as WebAssembly text: every import that a pod offers, callable with any arguments.

A *record* in guest memory is one operation: `op i32, function i32, nine arguments i64`. The guests
here differ in where their records come from: a *puppet* reads them from a connection to the test
and answers each; a *script* finds them in a file and runs them all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from tests.support.wasi import MODULE, Errno

ARGUMENTS_MOST = 9
RECORD_SIZE = 8 + 8 * ARGUMENTS_MOST
FREE_MEMORY = 8192
"""Guest memory from here on belongs to the test."""


class Op(IntEnum):
    CALL = 0
    """Call function `function`; the answer is its result."""
    POKE = 1
    """Put `arguments[1]` bytes that follow at `arguments[0]`."""
    PEEK = 2
    """Answer with `arguments[1]` bytes from `arguments[0]`."""
    SPIN = 3
    UNREACHABLE = 4
    RECURSE = 5
    """Recurse until the stack overflows."""
    GROW = 6
    """Grow the memory by `arguments[0]` pages; the answer is the old size or -1."""
    OUT_OF_BOUNDS = 7
    RETURN = 8
    """Return from `_start`."""
    CALL_AT_DEPTH = 9
    """Call by the record at `arguments[0]`, from below `arguments[1]` stack frames."""
    TABLE_GROW = 10
    """Grow the table by `arguments[0]` elements; the answer is the old size or -1."""


@dataclass(frozen=True, slots=True)
class Import:
    """A function that pods may import."""

    name: str
    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def declaration(self) -> str:
        types = "".join(f" (param {kind})" for kind in self.parameters)
        types += "".join(f" (result {kind})" for kind in self.results)
        return f'(import "{MODULE}" "{self.name}" (func ${self.name}{types}))'

    def wrapper(self) -> str:
        """A function of the record's address that calls the import with the record's arguments."""
        loads = []
        for index, kind in enumerate(self.parameters):
            load = f"(i64.load offset={8 + 8 * index} (local.get $at))"
            loads.append(load if kind == "i64" else f"(i32.wrap_i64 {load})")
        call = f"(call ${self.name} {' '.join(loads)})"
        body = call if self.results else f"{call} (i32.const 0)"
        return f"(func $w_{self.name} (param $at i32) (result i32) {body})"


def record(op: Op, function: int = 0, *arguments: int) -> bytes:
    padded = [*arguments, *[0] * (ARGUMENTS_MOST - len(arguments))]
    return struct.pack(
        f"<II{ARGUMENTS_MOST}Q",
        op,
        function,
        *(argument & 0xFFFFFFFFFFFFFFFF for argument in padded),
    )


def _prologue(imports: Sequence[Import], pages: str) -> list[str]:
    names = " ".join(f"$w_{function.name}" for function in imports)
    return [
        "(module",
        "(type $wrapper (func (param $at i32) (result i32)))",
        *(function.declaration() for function in imports),
        f'(memory (export "memory") {pages})',
        f"(table $calls {len(imports)} funcref) (elem (i32.const 0) func {names})",
        "(table $spare 0 funcref)",
        *(function.wrapper() for function in imports),
        f"(global $functions i32 (i32.const {len(imports)}))",
        _ACT,
    ]


# Does what the record at $at says, all but reading and writing the test's connection.
_ACT = """
(func $recurse (param i64) (result i64)
  (i64.add (local.get 0) (call $recurse (i64.add (local.get 0) (i64.const 1)))))
(func $call_at_depth (param $at i32) (param $depth i32) (result i32)
  (if (result i32) (local.get $depth)
    (then (i32.add (i32.const 1)
      (call $call_at_depth (local.get $at) (i32.sub (local.get $depth) (i32.const 1)))))
    (else (call $call_record (local.get $at)))))
(func $call_record (param $at i32) (result i32)
  (if (i32.ge_u (i32.load offset=4 (local.get $at)) (global.get $functions))
    (then (return (i32.const -1))))
  (call_indirect $calls (type $wrapper) (local.get $at) (i32.load offset=4 (local.get $at))))
(func $act (param $at i32) (result i32)
  (block $table_grow (block $call_at_depth (block $out_of_bounds (block $grow (block $recurse
    (block $unreachable (block $spin (block $call
      (br_table $call $call $call $spin $unreachable $recurse $grow $out_of_bounds $call
                $call_at_depth $table_grow $call (i32.load (local.get $at))))
      (return (call $call_record (local.get $at))))
      (loop $for_ever (br $for_ever)))
      unreachable)
    (return (i32.wrap_i64 (call $recurse (i64.const 0)))))
    (return (memory.grow (i32.wrap_i64 (i64.load offset=8 (local.get $at))))))
    (return (i32.load (i32.const -4))))
    (return (call $call_at_depth (i32.wrap_i64 (i64.load offset=8 (local.get $at)))
      (i32.wrap_i64 (i64.load offset=16 (local.get $at))))))
  (table.grow $spare (ref.null func) (i32.wrap_i64 (i64.load offset=8 (local.get $at)))))
"""

_RECORD, _IOVEC, _SIZE, _OPENED, _REPLY = 128, 64, 72, 80, 256
_ARGV, _ARGV_BYTES = 1024, 1280

# The connection to the test is opened with the path in argv[0], below whichever descriptor is /net.
_PUPPET = f"""
(global $control (mut i32) (i32.const 0))
(func $transfer (param $at i32) (param $size i32) (param $sending i32)
  (local $error i32)
  (loop $more
    (if (i32.eqz (local.get $size)) (then (return)))
    (i32.store (i32.const {_IOVEC}) (local.get $at))
    (i32.store offset=4 (i32.const {_IOVEC}) (local.get $size))
    (i32.store (i32.const {_SIZE}) (i32.const 0))
    (local.set $error (if (result i32) (local.get $sending)
      (then (call $fd_write
        (global.get $control) (i32.const {_IOVEC}) (i32.const 1) (i32.const {_SIZE})))
      (else (call $fd_read
        (global.get $control) (i32.const {_IOVEC}) (i32.const 1) (i32.const {_SIZE})))))
    (br_if $more (i32.eq (local.get $error) (i32.const {Errno.INTR})))
    (if (i32.or (local.get $error) (i32.eqz (i32.load (i32.const {_SIZE}))))
      (then (call $proc_exit (i32.const 99))))
    (local.set $at (i32.add (local.get $at) (i32.load (i32.const {_SIZE}))))
    (local.set $size (i32.sub (local.get $size) (i32.load (i32.const {_SIZE}))))
    (br $more)))
(func $dial
  (local $fd i32)
  (drop (call $args_sizes_get (i32.const {_OPENED}) (i32.const {_SIZE})))
  (drop (call $args_get (i32.const {_ARGV}) (i32.const {_ARGV_BYTES})))
  (local.set $fd (i32.const 3))
  (loop $next
    (if (i32.eqz (call $path_open (local.get $fd) (i32.const 0)
        (i32.const {_ARGV_BYTES}) (i32.sub (i32.load (i32.const {_SIZE})) (i32.const 1))
        (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const {_OPENED})))
      (then (global.set $control (i32.load (i32.const {_OPENED}))) (return)))
    (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $fd) (i32.const 32))))
  unreachable)
(func (export "_start")
  (local $op i32)
  (call $dial)
  (loop $again
    (call $transfer (i32.const {_RECORD}) (i32.const {RECORD_SIZE}) (i32.const 0))
    (local.set $op (i32.load (i32.const {_RECORD})))
    (if (i32.eq (local.get $op) (i32.const {Op.RETURN})) (then (return)))
    (if (i32.eq (local.get $op) (i32.const {Op.POKE}))
      (then
        (call $transfer (i32.wrap_i64 (i64.load offset=8 (i32.const {_RECORD})))
          (i32.wrap_i64 (i64.load offset=16 (i32.const {_RECORD}))) (i32.const 0))
        (br $again)))
    (if (i32.eq (local.get $op) (i32.const {Op.PEEK}))
      (then
        (call $transfer (i32.wrap_i64 (i64.load offset=8 (i32.const {_RECORD})))
          (i32.wrap_i64 (i64.load offset=16 (i32.const {_RECORD}))) (i32.const 1))
        (br $again)))
    (i32.store (i32.const {_REPLY}) (call $act (i32.const {_RECORD})))
    (call $transfer (i32.const {_REPLY}) (i32.const 4) (i32.const 1))
    (br $again))))
"""

SCRIPT_FILE = "script"
SCRIPT_AT = 1 << 16
SCRIPT_PAGES = 4

# Reads the file `script` below descriptor 3 and runs its records; ends like any program when there
# are no more.
_SCRIPT = f"""
(data (i32.const {_ARGV}) "{SCRIPT_FILE}")
(func (export "_start")
  (local $at i32) (local $end i32)
  (if (call $path_open (i32.const 3) (i32.const 0)
      (i32.const {_ARGV}) (i32.const {len(SCRIPT_FILE)})
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const {_OPENED}))
    (then unreachable))
  (i32.store (i32.const {_IOVEC}) (i32.const {SCRIPT_AT}))
  (i32.store offset=4 (i32.const {_IOVEC}) (i32.const {(SCRIPT_PAGES - 1) << 16}))
  (if (call $fd_read
      (i32.load (i32.const {_OPENED})) (i32.const {_IOVEC}) (i32.const 1) (i32.const {_SIZE}))
    (then unreachable))
  (drop (call $fd_close (i32.load (i32.const {_OPENED}))))
  (local.set $at (i32.const {SCRIPT_AT}))
  (local.set $end (i32.add (local.get $at) (i32.load (i32.const {_SIZE}))))
  (loop $next
    (if (i32.lt_u (local.get $at) (local.get $end))
      (then
        (drop (call $call_record (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const {RECORD_SIZE})))
        (br $next)))))
"""


def puppet_text(imports: Sequence[Import]) -> str:
    """A guest that does what the test at the other end of its connection says."""
    return "\n".join([*_prologue(imports, "2 4096"), _PUPPET])


def script_text(imports: Sequence[Import], at: int, memory: bytes) -> str:
    """A guest that makes the calls of a file's records, and has `memory` at `at`."""
    escaped = "".join(f"\\{byte:02x}" for byte in memory)
    data = f'(data (i32.const {at}) "{escaped}"))'
    return "\n".join([*_prologue(imports, f"{SCRIPT_PAGES} 16"), _SCRIPT, data])


def command_text(body: str, imports: Iterable[Import] = (), memory: str = "1") -> str:
    """A guest whose `_start` is `body`."""
    return "\n".join(
        [
            "(module",
            *(function.declaration() for function in imports),
            f'(memory (export "memory") {memory})',
            f'(func (export "_start") {body}))',
        ]
    )
