"""What a deployment's virtual network is like now, whole: for a node to apply.

Owns the assembly: groups, links, routes, faults, policies and egress, each worked out by a
neighbour. Pure: the same topology, plan, pods and changes always give the same configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.network.faults import FORWARDED, node_faults
from orchestrator.network.groups import access_links, groups_of, pod_addresses, units_of
from orchestrator.network.policies import egress_of, policies_of
from orchestrator.network.routing import LinkMap, RouterMap
from orchestrator.topology.link_change import TRANSPARENT
from vnet.configuration import FAULTS_MOST, Link, NetworkConfiguration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from orchestrator.desired.plan import Plan
    from orchestrator.network.faults import FaultState
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.schema import Topology
    from vnet.configuration import PolicyRule


def network_configuration(
    topology: Topology,
    plan: Plan,
    up: Collection[str],
    links: Sequence[LinkState],
    faults: Sequence[FaultState] = (),
) -> NetworkConfiguration:
    """Work out the network; it may have more faults than a node takes, see `fitting`.

    Args:
        topology: What is declared.
        plan: Has the addresses.
        up: The pods that run; of those that are routers, these forward.
        links: The links as they are now.
        faults: The faults as they are now.
    """
    units = units_of(topology, links)
    access = access_links(topology)
    link_map = LinkMap(units, links)
    forwarding = {
        pod.spec.name
        for pod in plan.pods
        if pod.spec.name in up and topology.services[pod.spec.service].router
    }
    routers = RouterMap(units, forwarding, link_map, access)
    ways = tuple(routers.ways())
    return NetworkConfiguration(
        seed=topology.seed,
        groups=groups_of(units, plan, access),
        links=(*_links(links), *routers.access_links()),
        routes=(*link_map.routes(), *(way.route for way in ways)),
        faults=tuple(node_faults(faults, ways, pod_addresses(plan))),
        policies=tuple(policies_of(topology, units)),
        gateway=bool(topology.egress),
        egress=tuple(egress_of(topology)),
    )


def fitting(
    configuration: NetworkConfiguration,
) -> tuple[NetworkConfiguration, tuple[str, ...]]:
    """Leave out what a node has no room for.

    Faults themselves have room, of which `impairments.py` takes care; those may have none that
    packets meet as they are forwarded.

    Returns:
        What fits, and the names of the faults that some forwarded packets get past.
    """
    faults = sorted(configuration.faults, key=lambda fault: FORWARDED in fault.name)
    left_out = [fault.name.partition(":")[0] for fault in faults[FAULTS_MOST:]]
    fits = replace(configuration, faults=tuple(faults[:FAULTS_MOST]))
    return fits, tuple(dict.fromkeys(left_out))


def remaining(
    configuration: NetworkConfiguration, without: Collection[str]
) -> NetworkConfiguration:
    """Leave out what is on some networks; all else stays as it is.

    Args:
        configuration: The whole.
        without: Networks that a node does not have now.
    """
    if not without:
        return configuration
    gone = {group.name for group in configuration.groups if group.network in without}
    return replace(
        configuration,
        groups=tuple(group for group in configuration.groups if group.name not in gone),
        routes=tuple(
            route for route in configuration.routes if gone.isdisjoint({route.source, route.target})
        ),
        policies=tuple(
            replace(policy, groups=selected, rules=tuple(_remaining_rules(policy.rules, gone)))
            for policy in configuration.policies
            if (selected := _without(policy.groups, gone))
        ),
    )


def _remaining_rules(rules: Iterable[PolicyRule], gone: Collection[str]) -> Iterator[PolicyRule]:
    for rule in rules:
        groups = _without(rule.groups, gone)
        # Peers that are all gone are nobody, while no peers at all are everybody.
        if groups or rule.blocks or not rule.groups:
            yield replace(rule, groups=groups)


def _without(groups: Iterable[str], gone: Collection[str]) -> tuple[str, ...]:
    return tuple(group for group in groups if group not in gone)


def _links(links: Sequence[LinkState]) -> list[Link]:
    return [
        Link(name=link.ends.name, forward=link.forward, backward=link.backward)
        for link in links
        if (link.forward, link.backward) != (TRANSPARENT, TRANSPARENT)
    ]
