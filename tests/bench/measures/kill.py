"""How long a pod takes to end when it is killed, whatever it is doing."""

from __future__ import annotations

from tests.bench.node import PodNode
from tests.bench.requests import Program
from tests.bench.rows import Bound, Row

ROUNDS = 7
WAYS = ("spin", "block", "flood")


def measure() -> list[Row]:
    rows = []
    with PodNode() as node:
        for way in WAYS:
            program = Program(("kill_target.py", way))
            times = [node.boot_and_kill(program) * 1e3 for _ in range(ROUNDS)]
            rows.append(
                Row(
                    name=f"kill of a pod that {way}s, slowest of {ROUNDS}",
                    unit="ms",
                    value=max(times),
                    bound=Bound(100.0, at_least=False),
                    spread=f"{min(times):.1f}-{max(times):.1f}",
                    note="from the kill until everything that the pod had is given back",
                )
            )
    return rows
