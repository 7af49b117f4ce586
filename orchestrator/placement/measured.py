"""Traffic between services as it was measured, and what weight it gets beside what is declared.

Owns the book that grows with each reading of nodes' counters: old traffic counts half after an
hour, so that what a deployment did when it was loaded first does not decide for ever. Counters of a
node that was started again begin anew. All that was measured weighs together as much as all that is
declared, or as one link for each pair where nothing is; a pair's part of it is its part of the
bytes. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.placement.values import TrafficEdge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address

    from orchestrator.placement.values import Traffic
    from vnet.statistics import TrafficStatistics

HALF_LIFE_S = 3600.0
LEAST_BYTES = 1024.0
"""Less than that between two services says nothing."""


@dataclass(slots=True)
class MeasuredTraffic:
    """How many bytes each two services have exchanged, the more recent ones counting more."""

    bytes: dict[tuple[str, str], float] = field(default_factory=dict)
    """Each pair once, in the order of the names."""
    read_at: float = 0.0
    """When counters were read last, in seconds."""
    _counters: dict[tuple[IPv4Address, IPv4Address], int] = field(default_factory=dict)

    def note(
        self,
        traffic: Iterable[TrafficStatistics],
        services: Mapping[IPv4Address, str],
        now: float,
    ) -> None:
        """Take note of what nodes have counted.

        Args:
            traffic: Their counters.
            services: Whose each address is.
            now: The time, in seconds.
        """
        passed_s = max(now - self.read_at, 0.0) if self.read_at else 0.0
        fading = 0.5 ** (passed_s / HALF_LIFE_S)
        self.bytes = {pair: size * fading for pair, size in self.bytes.items()}
        self.read_at = now
        for counted in traffic:
            key = (counted.source, counted.target)
            before = self._counters.get(key, 0)
            self._counters[key] = counted.bytes
            new = counted.bytes - before if counted.bytes >= before else counted.bytes
            first, second = services.get(counted.source), services.get(counted.target)
            if new and first is not None and second is not None and first != second:
                pair = (first, second) if first < second else (second, first)
                self.bytes[pair] = self.bytes.get(pair, 0.0) + new

    @property
    def telling(self) -> dict[tuple[str, str], float]:
        """The pairs between which there was enough to say something."""
        return {pair: size for pair, size in self.bytes.items() if size >= LEAST_BYTES}


def measured_weights(declared: Traffic, measured: Mapping[tuple[str, str], float]) -> Traffic:
    """What each measured pair weighs, in the unit of what is declared."""
    total = sum(measured.values())
    if not total:
        return {}
    weight = sum(declared.values()) or float(len(measured))
    return {pair: weight * size / total for pair, size in sorted(measured.items())}


def edges(declared: Traffic, measured: Mapping[tuple[str, str], float]) -> tuple[TrafficEdge, ...]:
    """All pairs of services that have to do with each other, the most first."""
    weights = measured_weights(declared, measured)
    found = [
        TrafficEdge(
            services=pair,
            declared=declared.get(pair, 0.0),
            measured=weights.get(pair, 0.0),
            measured_bytes=round(measured.get(pair, 0.0)),
        )
        for pair in {**declared, **weights}
    ]
    return tuple(sorted(found, key=lambda edge: (-edge.weight, edge.services)))


def with_measured(declared: Traffic, measured: Mapping[tuple[str, str], float]) -> Traffic:
    """What is declared and what was measured together."""
    weights = dict(declared)
    for pair, weight in measured_weights(declared, measured).items():
        weights[pair] = weights.get(pair, 0.0) + weight
    return dict(sorted(weights.items()))
