"""Figures: a value against its baseline and its bound, as a printed table and as JSON.

Measures nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit on a row's ratio, or on its value when the row has no baseline."""

    limit: float
    at_least: bool

    def holds(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    unit: str
    value: float
    """Median of the measured rounds."""
    baseline: float | None = None
    """Median of the baseline's rounds; none when the bound is on the value itself."""
    bound: Bound | None = None
    """None for a figure that is only reported."""
    spread: str = ""
    """Lowest and highest round, measured and baseline."""
    note: str = ""
    """What exactly the two figures are."""

    @property
    def ratio(self) -> float | None:
        """Measured over baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        figure = self.value if self.baseline is None else self.ratio
        return self.bound is None or (figure is not None and self.bound.holds(figure))

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "bound": str(self.bound) if self.bound else None,
            "ok": self.ok,
            "spread": self.spread,
            "note": self.note,
        }


def print_rows(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", overflow="fold")
    for heading in ("value", "baseline", "unit", "ratio", "bound", "ok"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        verdict = "[green]ok" if row.ok else "[red]MISSED"
        table.add_row(
            row.name,
            _number(row.value),
            _number(row.baseline),
            row.unit,
            _number(row.ratio),
            str(row.bound or ""),
            verdict if row.bound else "",
        )
    Console(width=None if Console().is_terminal else 120).print(table)


def write_rows(rows: Sequence[Row], machine: Mapping[str, object], path: Path) -> None:
    """Keep the rows, under what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": dict(machine), "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _number(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"
