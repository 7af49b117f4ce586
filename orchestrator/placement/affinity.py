"""How much a pod has to do with the pods that are on a node.

Owns the sum. Replicas of a service are alike, so two services' traffic is divided evenly among the
pairs of their pods, and counting replicas is enough. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.placement.values import Demand, Traffic


class Affinity:
    """Who is where, seen from those who talk to them."""

    def __init__(self, demands: Iterable[Demand], traffic: Traffic) -> None:
        self.replicas = Counter(demand.service for demand in demands)
        """Pods by service."""
        self._here: dict[str, Counter[str]] = {}
        """Pods by service and node."""
        self._weights: dict[str, dict[str, float]] = {}
        """For each service, the weight of one pair of pods with each other service."""
        for (first, second), weight in traffic.items():
            pairs = self.replicas[first] * self.replicas[second]
            if pairs and weight > 0:
                self._weights.setdefault(first, {})[second] = weight / pairs
                self._weights.setdefault(second, {})[first] = weight / pairs

    def with_node(self, service: str, node: str) -> float:
        """The traffic of one pod of a service with what is on a node."""
        return sum(
            weight * here[node]
            for other, weight in self._weights.get(service, {}).items()
            if (here := self._here.get(other)) is not None
        )

    def add(self, service: str, node: str, count: int) -> None:
        """Note that a pod has come to a node, or left it."""
        self._here.setdefault(service, Counter())[node] += count
