"""One TCP stream, C program to C program."""

from __future__ import annotations

from tests.bench.cases import Case, Report, Side
from tests.bench.native import run_natively
from tests.bench.node import PodNode
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate

ROUNDS = 5
SECONDS = 1.0
CHUNK_BYTES = 128 * 1024


def stream_case(seconds: float) -> Case:
    """One stream for so long."""
    sizes = (str(seconds), str(CHUNK_BYTES))
    return Case(
        server=("stream", "receive"),
        client=("stream", "send", "{address}", "{port}", *sizes, "{start_ns}"),
        reporter=Side.SERVER,
    )


STREAM = stream_case(SECONDS)


def bytes_per_second(reports: list[Report]) -> float:
    """Sum the throughputs of all pairs."""
    return sum(report["bytes"] / report["seconds"] for report in reports)


def measure() -> list[Row]:
    with PodNode() as node:
        samples = alternate(
            lambda: bytes_per_second(node.run(STREAM)) / 1e6,
            lambda: bytes_per_second(run_natively(STREAM)) / 1e6,
            ROUNDS,
        )
    return [
        samples.row(
            name="one TCP stream, C to C",
            unit="MB/s",
            bound=Bound(3.0, at_least=True),
            note=f"{CHUNK_BYTES} bytes a write, {SECONDS} s; baseline: the same over loopback",
        )
    ]
