"""Sixty-four pairs at once: the stream and the round trip with every core busy."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.cases import Case, Report
from tests.bench.measures.round_trip import ROUND_TRIP, median_us
from tests.bench.measures.stream import STREAM, bytes_per_second
from tests.bench.native import run_natively
from tests.bench.node import PodNode
from tests.bench.rows import Bound, Row
from tests.bench.sampling import Samples

PAIRS = 64
ROUNDS = 3


def _run(case: Case) -> tuple[list[list[Report]], list[list[Report]]]:
    native: list[list[Report]] = []
    pods: list[list[Report]] = []
    many = replace(case, pairs=PAIRS)
    with PodNode() as node:
        for _ in range(ROUNDS):
            native.append(run_natively(many))
            pods.append(node.run(many))
    assert all(len(reports) == PAIRS for reports in [*native, *pods])
    return pods, native


def measure() -> list[Row]:
    pods, native = _run(STREAM)
    streams = Samples(
        [bytes_per_second(r) / 1e6 for r in pods], [bytes_per_second(r) / 1e6 for r in native]
    )
    pods, native = _run(ROUND_TRIP)
    medians = Samples([median_us(r) for r in pods], [median_us(r) for r in native])
    rates = Samples([_rounds_per_second(r) for r in pods], [_rounds_per_second(r) for r in native])
    return [
        streams.row(
            name=f"{PAIRS} TCP streams at once, sum",
            unit="MB/s",
            bound=Bound(2.0, at_least=True),
            note="all pairs begin at one instant; baseline: as many pairs over loopback",
        ),
        medians.row(
            name=f"{PAIRS} round trips at once, median",
            unit="us",
            bound=Bound(1.0, at_least=False),
            note="median over the pairs of each pair's median",
        ),
        rates.row(
            name=f"{PAIRS} round trips at once, sum of rates",
            unit="1/s",
        ),
    ]


def _rounds_per_second(reports: list[Report]) -> float:
    return sum(report["rounds"] / report["seconds"] for report in reports)
