"""The groups of a deployment: interfaces for which the same links, routes and policies hold.

Owns who is in a group with whom: all replicas of a service on a network, but for those that a link
means alone. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.topology.link_change import TRANSPARENT, change_from, feasible
from orchestrator.topology.members import Member, pod_name
from vnet.configuration import Group, LinkParameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address

    from orchestrator.desired.plan import Plan
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.schema import Topology


@dataclass(frozen=True, slots=True)
class Unit:
    """Replicas of a service that nothing tells apart."""

    member: Member
    networks: tuple[str, ...]
    pods: tuple[str, ...]

    def group(self, network: str) -> str:
        """The name of its group on a network."""
        return f"{self.member}@{network}"


def units_of(topology: Topology, links: Iterable[LinkState]) -> tuple[Unit, ...]:
    """Divide every service by what links say of its replicas; units without pods are left out."""
    alone: dict[str, set[int]] = {service: set() for service in topology.services}
    for link in links:
        for end in (link.ends.first, link.ends.second):
            if end.replica is not None:
                alone[end.service].add(end.replica)
    units: list[Unit] = []
    for service, section in topology.services.items():
        replicas = range(1, section.deploy.replicas + 1)
        together = tuple(pod_name(service, n) for n in replicas if n not in alone[service])
        if together:
            units.append(Unit(Member(service), section.attached, together))
        units.extend(
            Unit(Member(service, n), section.attached, (pod_name(service, n),))
            for n in sorted(alone[service])
        )
    return tuple(units)


def groups_of(
    units: Iterable[Unit], plan: Plan, access: Mapping[str, LinkParameters]
) -> tuple[Group, ...]:
    """The interfaces of all units, network by network.

    Args:
        units: Who belongs together.
        plan: Has the addresses.
        access: Each network's link of its interfaces, where packets notice it.
    """
    addresses = pod_addresses(plan)
    return tuple(
        Group(
            name=unit.group(network),
            network=network,
            interfaces=tuple(addresses[pod][network] for pod in unit.pods),
            access=access.get(network),
        )
        for unit in units
        for network in unit.networks
    )


def access_links(topology: Topology) -> dict[str, LinkParameters]:
    """The links of the interfaces on each network, but for those that do nothing."""
    declared = {
        name: feasible(change_from(section.link).applied_to(TRANSPARENT))
        for name, section in topology.networks.items()
        if section.link is not None
    }
    return {name: link for name, link in declared.items() if link != TRANSPARENT}


def pod_addresses(plan: Plan) -> dict[str, dict[str, IPv4Address]]:
    """Every pod's addresses by network."""
    return {pod.spec.name: {i.network: i.address for i in pod.spec.interfaces} for pod in plan.pods}
