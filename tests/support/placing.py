"""Nodes and pods for tests of placement."""

from __future__ import annotations

from orchestrator.placement import Demand, NodeOffer, ServiceRules

MIB = 1 << 20


def offer(
    name: str,
    *,
    cpus: float = 4.0,
    memory: int = 1024,
    pods: int = 1000,
    cordoned: bool = False,
    draining: bool = False,
    **labels: str,
) -> NodeOffer:
    return NodeOffer(
        name=name,
        hostname=f"host-{name}",
        cpus=cpus,
        memory_bytes=memory * MIB,
        pods_most=pods,
        labels=labels,
        cordoned=cordoned,
        draining=draining,
    )


def pods(service: str, count: int, *, cpus: float = 0.0, memory: int = 16) -> list[Demand]:
    return [
        Demand(pod=f"{service}-{number}", service=service, cpus=cpus, memory_bytes=memory * MIB)
        for number in range(1, count + 1)
    ]


def no_rules(demands: list[Demand]) -> dict[str, ServiceRules]:
    return {demand.service: ServiceRules() for demand in demands}
