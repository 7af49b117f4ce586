"""HTTP requests a second, `http.client` to `http.server`, CPython to CPython.

The bound is for the image that podnet builds; the shipped one was compiled without optimisation.
"""

from __future__ import annotations

from tests.bench.cases import Case, Report, Side
from tests.bench.images import built_python
from tests.bench.native import run_natively
from tests.bench.node import PodNode
from tests.bench.requests import PYTHON
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate

ROUNDS = 5
SECONDS = 1.5

WAYS = {"new": "a new connection each", "keep": "keep-alive"}


def _case(way: str) -> Case:
    return Case(
        server=("http_server.py",),
        client=("http_client.py", way, "{address}", "{port}", str(SECONDS)),
        reporter=Side.CLIENT,
    )


def _rate(reports: list[Report]) -> float:
    return reports[0]["requests"] / reports[0]["seconds"]


def measure() -> list[Row]:
    built = _measure_image(built_python(), Bound(0.8, at_least=True))
    return built + _measure_image(PYTHON, None)


def _measure_image(image: str, bound: Bound | None) -> list[Row]:
    with PodNode(image) as node:
        return [_measure_way(node, image, way, bound) for way in WAYS]


def _measure_way(node: PodNode, image: str, way: str, bound: Bound | None) -> Row:
    case = _case(way)
    samples = alternate(lambda: _rate(node.run(case)), lambda: _rate(run_natively(case)), ROUNDS)
    return samples.row(
        name=f"HTTP requests, image {image} to itself, {WAYS[way]}",
        unit="1/s",
        bound=bound,
        note=f"{SECONDS} s after a warm-up; baseline: the same two files run by the host's CPython",
    )
