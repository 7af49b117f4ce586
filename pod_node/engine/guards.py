"""What the engine's WASI answers with a trap, refused with an errno before it gets there.

The engine ends a guest that passes a pointer outside of its memory, an unknown flag or an unknown
enumerator; Linux answers EFAULT and EINVAL. Layouts and limits are those of the witx definition of
wasi_snapshot_preview1. Owns text only: `modules.py` puts it into the glue.
"""

from __future__ import annotations

_INVAL, _FAULT = 28, 21
_RIGHTS = 0x1FFFFFFF

HELPERS = f"""
(func $check (param $at i32) (param $size i64) (param $align i32) (result i32)
  (if (i32.and (local.get $at) (local.get $align)) (then (return (i32.const {_INVAL}))))
  (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get $at)) (local.get $size))
                (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16)))
    (then (return (i32.const {_FAULT}))))
  (i32.const 0))
(func $check_vector (param $at i32) (param $count i32) (result i32) (local $error i32)
  (local.set $error (call $check (local.get $at)
    (i64.mul (i64.extend_i32_u (local.get $count)) (i64.const 8)) (i32.const 3)))
  (loop $next
    (if (i32.or (local.get $error) (i32.eqz (local.get $count)))
      (then (return (local.get $error))))
    (local.set $error (call $check (i32.load $guest (local.get $at))
      (i64.load32_u $guest offset=4 (local.get $at)) (i32.const 0)))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next))
  unreachable)
"""


def _structure(parameter: int, size: int, align: int) -> str:
    """Check a pointer to something of a known size."""
    return f"(call $check (local.get {parameter}) (i64.const {size}) (i32.const {align - 1}))"


def _bytes(parameter: int) -> str:
    """Check a pointer whose length is the next parameter."""
    length = f"(i64.extend_i32_u (local.get {parameter + 1}))"
    return f"(call $check (local.get {parameter}) {length} (i32.const 0))"


def _vector(parameter: int) -> str:
    """Check a list of buffers whose length is the next parameter, and every buffer."""
    return f"(call $check_vector (local.get {parameter}) (local.get {parameter + 1}))"


def _most(parameter: int, most: int) -> str:
    """Check an enumerator or a set of flags."""
    wrong = f"(i32.gt_u (local.get {parameter}) (i32.const {most}))"
    return f"(select (i32.const {_INVAL}) (i32.const 0) {wrong})"


def _strings(sizes: str) -> tuple[str, str]:
    """Check the two pointers that `args_get` and `environ_get` fill."""
    count = f"(i64.shl (i64.extend_i32_u (call ${sizes}_count)) (i64.const 2))"
    length = f"(i64.extend_i32_u (call ${sizes}_bytes))"
    return (
        f"(call $check (local.get 0) {count} (i32.const 3))",
        f"(call $check (local.get 1) {length} (i32.const 0))",
    )


_U32 = (4, 4)
_U64 = (8, 8)
_CHECKS: dict[str, tuple[str, ...]] = {
    "args_get": _strings("args"),
    "args_sizes_get": (_structure(0, *_U32), _structure(1, *_U32)),
    "clock_res_get": (_most(0, 3), _structure(1, *_U64)),
    "environ_get": _strings("environ"),
    "environ_sizes_get": (_structure(0, *_U32), _structure(1, *_U32)),
    "fd_advise": (_most(3, 5),),
    "fd_fdstat_get": (_structure(1, 24, 8),),
    "fd_fdstat_set_flags": (_most(1, 31),),
    "fd_filestat_get": (_structure(1, 64, 8),),
    "fd_filestat_set_times": (_most(3, 15),),
    "fd_pread": (_vector(1), _structure(4, *_U32)),
    "fd_prestat_dir_name": (_bytes(1),),
    "fd_prestat_get": (_structure(1, 8, 4),),
    "fd_pwrite": (_vector(1), _structure(4, *_U32)),
    "fd_read": (_vector(1), _structure(3, *_U32)),
    "fd_readdir": (_bytes(1), _structure(4, *_U32)),
    "fd_seek": (_most(2, 2), _structure(3, *_U64)),
    "fd_tell": (_structure(1, *_U64),),
    "fd_write": (_vector(1), _structure(3, *_U32)),
    "path_create_directory": (_bytes(1),),
    "path_filestat_get": (_most(1, 1), _bytes(2), _structure(4, 64, 8)),
    "path_filestat_set_times": (_most(1, 1), _bytes(2), _most(6, 15)),
    "path_link": (_most(1, 1), _bytes(2), _bytes(5)),
    "path_open": (_most(1, 1), _bytes(2), _most(4, 15), _most(7, 31), _structure(8, *_U32)),
    "path_readlink": (_bytes(1), _bytes(3), _structure(5, *_U32)),
    "path_remove_directory": (_bytes(1),),
    "path_rename": (_bytes(1), _bytes(4)),
    "path_symlink": (_bytes(0), _bytes(3)),
    "path_unlink_file": (_bytes(1),),
    "proc_raise": (_most(0, 30),),
    "random_get": (_bytes(0),),
}
_RIGHTS_PARAMETERS = {"fd_fdstat_set_rights": (1, 2), "path_open": (5, 6)}


def guard(function: str) -> str:
    """Return what a wrapper of an engine's function does before it calls it."""
    lines = [
        f"(if (local.tee $error {check}) (then (return (local.get $error))))"
        for check in _CHECKS.get(function, ())
    ]
    lines += [
        f"(local.set {rights} (i64.and (local.get {rights}) (i64.const {_RIGHTS})))"
        for rights in _RIGHTS_PARAMETERS.get(function, ())
    ]
    return "\n".join(["(local $error i32)", *lines] if lines else [])


def sizes_of(strings: str) -> str:
    """Return functions that ask the engine how large `args` or `environ` are.

    The engine answers into the caller's memory: they borrow eight bytes of the guest's, whose only
    thread is the caller. A guest without memory gets a size that fits nowhere.
    """
    return "\n".join(
        f"""(func ${strings}_{what} (result i32) (local $saved i64) (local $size i32)
          (if (i32.eqz (memory.size $guest)) (then (return (i32.const -1))))
          (local.set $saved (i64.load $guest (i32.const 16)))
          (drop (call $native_{strings}_sizes_get (i32.const 16) (i32.const 20)))
          (local.set $size (i32.load $guest (i32.const {at})))
          (i64.store $guest (i32.const 16) (local.get $saved))
          (local.get $size))"""
        for what, at in (("count", 16), ("bytes", 20))
    )
