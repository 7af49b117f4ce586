"""Five hundred pods with nothing to do."""

from __future__ import annotations

import time

from tests.bench.node import PodNode
from tests.bench.requests import Program
from tests.bench.rows import Bound, Row

PODS = 500
WINDOW_S = 10.0
WAYS = (("idle", "accept", "7000"), ("idle", "poll", "7000"), ("idle", "timer"))


def measure() -> list[Row]:
    with PodNode() as node:
        node.boot([Program(WAYS[index % len(WAYS)]) for index in range(PODS)])
        before, begin = node.cpu_seconds(), time.perf_counter()
        time.sleep(WINDOW_S)
        share = (node.cpu_seconds() - before) / (time.perf_counter() - begin)
    return [
        Row(
            name=f"{PODS} idle pods",
            unit="% of a core",
            value=share * 100,
            bound=Bound(1.0, at_least=False),
            note=(
                "a third each blocked in accept, in poll and in a 1 s timer; CPU time of the whole "
                f"node process over {WINDOW_S:g} s"
            ),
        )
    ]
