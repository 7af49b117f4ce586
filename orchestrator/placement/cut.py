"""What a placement costs: the traffic that has to pass from one node to another.

Owns the sum for each two services and nodes. Pure.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.placement.values import CutEdge

if TYPE_CHECKING:
    from orchestrator.placement.values import Placement, Traffic


def cut_of(placement: Placement, traffic: Traffic) -> tuple[CutEdge, ...]:
    """All traffic between nodes, the most first."""
    here: dict[str, Counter[str]] = {}
    for pod in placement.placed:
        here.setdefault(pod.service, Counter())[pod.node] += 1
    edges: list[CutEdge] = []
    for services, weight in traffic.items():
        first, second = (here.get(service, Counter()) for service in services)
        pairs = first.total() * second.total()
        crossing: Counter[tuple[str, str]] = Counter()
        for (one, count), (other, others) in product(first.items(), second.items()):
            if one != other:
                crossing[min(one, other), max(one, other)] += count * others
        edges.extend(
            CutEdge(services=services, nodes=nodes, weight=weight * count / pairs)
            for nodes, count in crossing.items()
        )
    return tuple(sorted(edges, key=lambda edge: (-edge.weight, edge.services, edge.nodes)))
