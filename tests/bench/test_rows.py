"""Rows are judged against their bounds, and kept with what they were measured on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.machine import machine_facts
from tests.bench.rows import Bound, Row, write_rows
from tests.bench.sampling import alternate


@pytest.mark.parametrize(
    ("value", "baseline", "bound", "ok"),
    [
        (30.0, 10.0, Bound(3.0, at_least=True), True),
        (29.9, 10.0, Bound(3.0, at_least=True), False),
        (1.0, 10.0, Bound(0.1, at_least=False), True),
        (1.1, 10.0, Bound(0.1, at_least=False), False),
        (6.0, None, Bound(6.0, at_least=False), True),
        (6.1, None, Bound(6.0, at_least=False), False),
        (0.0, None, Bound(0.0, at_least=False), True),
        (1.0, 0.0, Bound(3.0, at_least=True), False),
        (1.0, 2.0, None, True),
    ],
)
def test_a_row_is_judged_by_its_ratio_or_without_a_baseline_by_its_value(
    value: float, baseline: float | None, bound: Bound | None, ok: bool
) -> None:
    assert Row(name="n", unit="u", value=value, baseline=baseline, bound=bound).ok is ok


def test_kept_rows_have_all_that_a_reader_needs(tmp_path: Path) -> None:
    row = Row(name="n", unit="MB/s", value=6.0, baseline=2.0, bound=Bound(3.0, at_least=True))
    write_rows([row], machine_facts(), tmp_path / "bench.json")
    document = json.loads((tmp_path / "bench.json").read_text())
    assert {"cores", "system", "wasmtime"} <= document["machine"].keys()
    (kept,) = document["rows"]
    assert (kept["name"], kept["unit"], kept["value"], kept["baseline"]) == ("n", "MB/s", 6.0, 2.0)
    assert (kept["ratio"], kept["bound"], kept["ok"]) == (3.0, ">= 3", True)


def test_baseline_and_measured_take_turns_and_medians_are_compared() -> None:
    order: list[str] = []
    figures = iter([1.0, 10.0, 3.0, 30.0, 2.0, 20.0])

    def take(name: str) -> float:
        order.append(name)
        return next(figures)

    samples = alternate(lambda: take("measured"), lambda: take("baseline"), 3)
    assert order == ["baseline", "measured"] * 3
    assert (samples.reference, samples.value) == (2.0, 20.0)
    assert samples.spread == "10..30 against 1..3"
    row = samples.row(name="n", unit="u", bound=Bound(9.0, at_least=True))
    assert (row.ratio, row.ok, row.spread) == (10.0, True, samples.spread)
