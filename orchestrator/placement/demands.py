"""From a topology to what its pods ask of nodes, and to who talks to whom.

Owns what counts when nothing is said. A pod asks for its reservations; of what it reserves nothing,
for its limit, as Kubernetes has it; where there is no limit either, for no processor and a little
memory. Pure.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from orchestrator.placement.values import Demand, Placing, ServiceRules
from orchestrator.topology.members import pod_name

if TYPE_CHECKING:
    from orchestrator.placement.values import Traffic
    from orchestrator.topology.schema import ServiceSection, Topology

POD_MEMORY_BYTES = 16 << 20
"""What a pod without reservation and limit counts for; an idle CPython takes 3 MB (measured)."""
DEPENDS_WEIGHT = 1.0
LINK_WEIGHT = 1.0
"""Who declares a link between two services means them to talk."""


def placing_of(topology: Topology) -> Placing:
    """All that placement has to know of a topology."""
    return Placing(
        demands=demands_of(topology),
        rules=service_rules(topology),
        traffic=traffic_of(topology),
    )


def demands_of(topology: Topology) -> tuple[Demand, ...]:
    """What each pod asks for, in the order of the file."""
    return tuple(
        _demand(service, section, replica)
        for service, section in topology.services.items()
        for replica in range(1, section.deploy.replicas + 1)
    )


def service_rules(topology: Topology) -> dict[str, ServiceRules]:
    """What each service says about where its pods may be."""
    rules = {}
    for service, section in topology.services.items():
        placement = section.deploy.placement
        rules[service] = ServiceRules(
            constraints=placement.constraints,
            spread_over=tuple(entry.spread for entry in placement.preferences),
            replicas_most=placement.max_replicas_per_node,
            strategy=placement.strategy,
        )
    return rules


def traffic_of(topology: Topology) -> Traffic:
    """How much any two services have to do with each other, as far as the file says."""
    weights: dict[tuple[str, str], float] = {}

    def add(first: str, second: str, weight: float) -> None:
        if first != second:
            pair = (first, second) if first < second else (second, first)
            weights[pair] = weights.get(pair, 0.0) + weight

    for service, section in topology.services.items():
        for other in section.depends_on:
            add(service, other, DEPENDS_WEIGHT)
        for other, weight in section.deploy.placement.near.items():
            add(service, other, weight)
    services = {
        pod_name(name, replica): name
        for name, section in topology.services.items()
        for replica in range(1, section.deploy.replicas + 1)
    }
    for link in topology.links:
        for first, second in combinations(link.endpoints, 2):
            add(services.get(first, first), services.get(second, second), LINK_WEIGHT)
    return dict(sorted(weights.items()))


def _demand(service: str, section: ServiceSection, replica: int) -> Demand:
    resources = section.deploy.resources
    cpus = resources.reservations.cpus
    memory = resources.reservations.memory
    return Demand(
        pod=pod_name(service, replica),
        service=service,
        cpus=cpus if cpus is not None else resources.limits.cpus or 0.0,
        memory_bytes=memory or resources.limits.memory or POD_MEMORY_BYTES,
    )
