"""Topologies whose networks tests look at, and the plans and configurations that follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.desired.plan import make_plan
from orchestrator.topology.schema import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Address

    from orchestrator.desired.plan import Plan
    from vnet.configuration import NetworkConfiguration, Route

STATE = Path("/state")


def topology(
    services: Mapping[str, Mapping[str, object]],
    networks: Mapping[str, object] | None = None,
    **sections: Sequence[Mapping[str, object]] | int,
) -> Topology:
    return Topology.model_validate(
        {
            "name": "test",
            "services": {name: {"image": "x", **keys} for name, keys in services.items()},
            "networks": networks or {},
            **sections,
        }
    )


def plan_of(declared: Topology) -> Plan:
    return make_plan(declared, state_dir=STATE)


def pods_of(plan: Plan) -> set[str]:
    return {pod.spec.name for pod in plan.pods}


def addresses(plan: Plan, *pods: str) -> set[IPv4Address]:
    """All addresses of some pods."""
    return {
        interface.address
        for pod in plan.pods
        for interface in pod.spec.interfaces
        if pod.spec.name in pods
    }


def ways(configuration: NetworkConfiguration) -> dict[tuple[str, str], tuple[str, ...]]:
    """The links on every route, those crossed backwards with a minus."""
    return {(route.source, route.target): hops(route) for route in configuration.routes}


def hops(route: Route) -> tuple[str, ...]:
    return tuple(f"{'-' if hop.backward else ''}{hop.link}" for hop in route.hops)
