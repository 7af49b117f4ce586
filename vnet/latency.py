"""How long exchanges took: a histogram with fixed bounds, as Prometheus has them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of all buckets but the last, which has none: a fast page takes two milliseconds."""


@dataclass(slots=True)
class Latencies:
    """Counts by duration."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """One for each bucket, not cumulative."""
    sum_s: float = 0.0

    def add(self, duration_s: float) -> None:
        """Count one exchange."""
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s
