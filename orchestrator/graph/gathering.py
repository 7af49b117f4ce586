"""From a topology, and what became of it while it runs, to what a picture shows.

Owns the gathering of services, networks, links, policies and faults. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.graph.barriers import barrier_text
from orchestrator.graph.diagram import (
    NOBODY,
    Diagram,
    FaultMark,
    LinkLine,
    NetworkBar,
    PolicyArrow,
    ServiceBox,
)
from orchestrator.network.adjacency import NetworkMap
from orchestrator.network.groups import access_links
from orchestrator.topology.link_text import summary
from orchestrator.topology.members import Roster
from orchestrator.topology.values import format_port_range
from vnet.configuration import Denial, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.desired.plan import Plan
    from orchestrator.network.faults import FaultState
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.schema import (
        EgressRule,
        IngressRule,
        PeerEntry,
        PolicySection,
        Topology,
    )
    from orchestrator.views.phases import PodView


def make_diagram(
    topology: Topology,
    plan: Plan,
    links: Sequence[LinkState],
    faults: Sequence[FaultState] = (),
    pods: Sequence[PodView] = (),
) -> Diagram:
    """Gather what there is to see.

    Args:
        topology: What is declared.
        plan: Has the subnets.
        links: The links, as declared or as they are now.
        faults: The partitions and holds that there are now.
        pods: The pods as they are now; none when nothing runs.
    """
    roster = Roster(topology)
    access = access_links(topology)
    return Diagram(
        name=topology.name,
        services=tuple(_services(topology, pods)),
        networks=tuple(
            NetworkBar(
                name=network.name,
                subnet=str(network.subnet),
                access=summary(access[network.name]) if network.name in access else "",
            )
            for network in plan.networks
        ),
        links=tuple(_link(roster, link, faults) for link in links),
        policies=tuple(_policies(topology)),
        faults=tuple(
            FaultMark(
                name=fault.name,
                kind="partition" if fault.kind is FaultKind.CUT else "hold",
                groups=fault.groups,
                oneway=fault.oneway,
            )
            for fault in faults
        ),
        unreachable=NetworkMap(topology).unreachable(),
    )


def _services(topology: Topology, pods: Sequence[PodView]) -> Iterator[ServiceBox]:
    for name, section in topology.services.items():
        yield ServiceBox(
            name=name,
            image=section.image.rpartition("/")[2],
            replicas=section.deploy.replicas,
            networks=section.attached,
            router=section.router,
            portals=tuple(
                f"{port.target}" if port.published is None else f"{port.published}:{port.target}"
                for port in section.ports
            ),
            state=_state([pod.state for pod in pods if pod.spec.service == name]),
        )


def _state(states: Sequence[str]) -> str:
    """How the pods of a service are: `healthy`, or `2 running; 1 exited (1)`."""
    counted = Counter(states)
    if len(states) == 1:
        return states[0]
    return "; ".join(f"{count} {state}" for state, count in counted.items())


def _link(roster: Roster, link: LinkState, faults: Sequence[FaultState]) -> LinkLine:
    ends = link.ends
    first, second = roster.pods([ends.first]), roster.pods([ends.second])
    return LinkLine(
        first=str(ends.first),
        second=str(ends.second),
        first_service=ends.first.service,
        second_service=ends.second.service,
        network=ends.network,
        forward=summary(link.forward),
        backward=summary(link.backward),
        changed=link.changed,
        forward_barrier=barrier_text(first, second, faults),
        backward_barrier=barrier_text(second, first, faults),
    )


def _policies(topology: Topology) -> Iterator[PolicyArrow]:
    for index, section in enumerate(topology.policies):
        for protected in _protected(topology, section):
            for rule in _rules(section.ingress):
                yield from _arrows(f"policies[{index}]", section, protected, rule, incoming=True)
            for rule in _rules(section.egress):
                yield from _arrows(f"policies[{index}]", section, protected, rule, incoming=False)


def _protected(topology: Topology, section: PolicySection) -> list[str]:
    if section.service is not None:
        return [section.service]
    services = topology.services.items()
    return [name for name, service in services if section.network in service.attached]


def _rules(
    rules: Sequence[IngressRule | EgressRule] | None,
) -> Sequence[IngressRule | EgressRule | None]:
    """The rules of a direction; one that is None where the direction is shut."""
    return () if rules is None else rules or (None,)


def _arrows(
    policy: str,
    section: PolicySection,
    protected: str,
    rule: IngressRule | EgressRule | None,
    *,
    incoming: bool,
) -> Iterator[PolicyArrow]:
    peers: list[tuple[str, str | None]] = [(NOBODY, None)]
    if rule is not None:
        peers = [(_peer_text(peer), peer.service) for peer in rule.peers] or [("everybody", None)]
    for peer in peers:
        sides = (peer, (protected, protected)) if incoming else ((protected, protected), peer)
        (source, source_service), (target, target_service) = sides
        yield PolicyArrow(
            policy=policy,
            source=source,
            target=target,
            source_service=source_service,
            target_service=target_service,
            ports=", ".join(map(format_port_range, rule.ports)) if rule is not None else "",
            denial="dropped" if section.deny is Denial.DROP else "rejected",
        )


def _peer_text(peer: PeerEntry) -> str:
    if peer.service is not None:
        return peer.service
    if peer.network is not None:
        return f"network {peer.network}"
    holes = f" except {', '.join(map(str, peer.excepted))}" if peer.excepted else ""
    return f"{peer.cidr}{holes}"
