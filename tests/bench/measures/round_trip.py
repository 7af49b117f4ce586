"""One byte there and back, C program to C program."""

from __future__ import annotations

from statistics import median

from tests.bench.cases import Case, Report, Side
from tests.bench.native import run_natively
from tests.bench.node import PodNode
from tests.bench.rows import Bound, Row
from tests.bench.sampling import Samples

ROUNDS = 5
SECONDS = 1.0


def round_trip_case(seconds: float) -> Case:
    """Round trips back to back for so long."""
    return Case(
        server=("round_trip", "answer"),
        client=("round_trip", "ask", "{address}", "{port}", str(seconds), "{start_ns}"),
        reporter=Side.CLIENT,
    )


ROUND_TRIP = round_trip_case(SECONDS)


def median_us(reports: list[Report]) -> float:
    """Take the median over all pairs of each pair's median."""
    return median(report["median_ns"] for report in reports) / 1e3


def measure() -> list[Row]:
    native: list[list[Report]] = []
    pods: list[list[Report]] = []
    with PodNode() as node:
        for _ in range(ROUNDS):
            native.append(run_natively(ROUND_TRIP))
            pods.append(node.run(ROUND_TRIP))
    medians = Samples([median_us(r) for r in pods], [median_us(r) for r in native])
    tails = Samples([r[0]["p99_ns"] / 1e3 for r in pods], [r[0]["p99_ns"] / 1e3 for r in native])
    return [
        medians.row(
            name="1-byte round trip, C to C, median",
            unit="us",
            bound=Bound(0.1, at_least=False),
            note=f"back to back for {SECONDS} s; baseline: the same program over loopback",
        ),
        tails.row(
            name="1-byte round trip, C to C, 99th percentile",
            unit="us",
        ),
    ]
