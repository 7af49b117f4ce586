"""One monotonic clock for everything on a node.

The engine begins the monotonic clock of each store at zero. But threads compare times: a deadline
that one of them has set is another's too, and timers end together only on a common clock. So the
glue adds to the engine's clock what makes it the host's, found once when the glue is linked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pod_node.engine import bindings

if TYPE_CHECKING:
    import wasmtime

    from pod_node.engine.bindings import Extern

_MONOTONIC = 1
"""The clock's number in WASI."""
_READINGS = 3
_CLOSE_NS = 20_000
"""A reading that took longer was interrupted by another thread; one takes 3 µs."""

FUNCTIONS = f"""
(global $origin (export "origin") (mut i64) (i64.const 0))
(func $clock_origin (param $id i32) (result i64)
  (select (global.get $origin) (i64.const 0) (i32.eq (local.get $id) (i32.const {_MONOTONIC}))))
"""
"""For the glue: where a clock begins, in nanoseconds."""


def align(store: wasmtime.Store, clock_now: Extern, origin: Extern) -> None:
    """Have the glue's `clock_now` tell the time of `time.monotonic_ns`, to a few microseconds."""
    function = bindings.UncheckedFunction(store, clock_now, 1, short=True)
    readings = []
    for _ in range(_READINGS):
        before = time.monotonic_ns()
        reading = function.call(_MONOTONIC)
        took = time.monotonic_ns() - before
        readings.append((took, before + took // 2 - reading))
        if took < _CLOSE_NS:
            break
    bindings.set_global_i64(store, origin, min(readings)[1])
