"""Baseline and measured in turn, so that a machine that slows down slows both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.rows import Bound, Row


@dataclass(frozen=True, slots=True)
class Samples:
    """What some rounds gave."""

    measured: Sequence[float]
    baseline: Sequence[float]

    @property
    def value(self) -> float:
        """Median of the measured rounds."""
        return median(self.measured)

    @property
    def reference(self) -> float:
        """Median of the baseline's rounds."""
        return median(self.baseline)

    @property
    def spread(self) -> str:
        """Lowest to highest round of each."""
        return f"{span(self.measured)} against {span(self.baseline)}"

    def row(self, *, name: str, unit: str, bound: Bound | None = None, note: str = "") -> Row:
        """Make a line of the table that compares the medians."""
        return Row(
            name=name,
            unit=unit,
            value=self.value,
            baseline=self.reference,
            bound=bound,
            spread=self.spread,
            note=note,
        )


def span(figures: Sequence[float]) -> str:
    """Say the lowest and the highest figure."""
    return f"{min(figures):.4g}..{max(figures):.4g}"


def alternate(measured: Callable[[], float], baseline: Callable[[], float], rounds: int) -> Samples:
    """Run both `rounds` times, baseline first each time."""
    pairs = [(baseline(), measured()) for _ in range(rounds)]
    return Samples([pair[1] for pair in pairs], [pair[0] for pair in pairs])
