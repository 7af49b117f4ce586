"""The memories that threads sleep on, and the functions of the glue that sleep and wake.

The engine keeps the sleepers of a shared memory behind one mutex. With everybody asleep on the
fabric, a hundred busy threads spent most of their time on that mutex (seven futex calls a park), so
sleeping has memories of its own, a few, and a thread's slot says which. Slots come in pairs, a
thread's park slot and its nap slot, and a pair is in one memory.
"""

from __future__ import annotations

SHARDS = 16
SLOTS = 16_384
"""As `PARK_SLOTS` of the kernel. 1,024 of them fill a memory's one page: 64 bytes each, so that two
threads do not share a cache line."""


def imports() -> str:
    """Return the imports of a module that uses `functions`."""
    return "\n".join(
        f'(import "park" "{shard}" (memory $park{shard} 1 1 shared))' for shard in range(SHARDS)
    )


def functions() -> str:
    """Return `park_sequence`, `park_wait` and `park_wake`, as the kernel imports them."""
    word, wait, wake = [], [], []
    for shard in range(SHARDS):
        word.append(f"(i32.atomic.load $park{shard} (local.get $at))")
        wait.append(
            f"(memory.atomic.wait32 $park{shard} "
            "(local.get $at) (local.get $sequence) (local.get $timeout))"
        )
        wake.append(
            f"(drop (i32.atomic.rmw.add $park{shard} (local.get $at) (i32.const 1))) "
            f"(drop (memory.atomic.notify $park{shard} (local.get $at) (i32.const 1)))"
        )
    waiting = "(param $sequence i32) (param $timeout i64) (result i32)"
    return "\n".join(
        [
            _function("park_sequence", "(result i32)", word),
            _function("park_wait", waiting, wait),
            _function("park_wake", "", wake),
        ]
    )


def _function(name: str, kind: str, bodies: list[str]) -> str:
    """Return a function of a slot that does what its shard's body says."""
    text = f"(br_table {' '.join(f'$s{shard}' for shard in range(SHARDS))} {_SHARD_OF_SLOT})"
    for shard, body in enumerate(bodies):
        text = (
            f"(block $s{shard} {text}) (return {body})"
            if "result" in kind
            else (f"(block $s{shard} {text}) {body} (return)")
        )
    return f"(func ${name} (param $slot i32) {kind} (local $at i32) {_ADDRESS} {text} unreachable)"


_SHARD_OF_SLOT = f"(i32.and (i32.shr_u (local.get $slot) (i32.const 1)) (i32.const {SHARDS - 1}))"
_PAIR_IN_SHARD = "(i32.shr_u (local.get $slot) (i32.const 5))"
_ADDRESS = (
    f"(local.set $at (i32.shl (i32.or (i32.shl {_PAIR_IN_SHARD} (i32.const 1)) "
    "(i32.and (local.get $slot) (i32.const 1))) (i32.const 6)))"
)
