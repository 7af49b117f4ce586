"""What a picture of a topology shows, as plain values.

Owns the gathering: services, networks, links with their parameters in words, policies as arrows,
faults. Pure. How any of it looks is the drawings' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.adjacency import NetworkMap
from orchestrator.groups import access_links
from orchestrator.topology.link_text import summary
from orchestrator.topology.values import format_port_range
from vnet.configuration import Denial, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.faults import FaultState
    from orchestrator.plan import Plan
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.schema import (
        EgressRule,
        IngressRule,
        PeerEntry,
        PolicySection,
        Topology,
    )

_NOBODY = "nobody"
"""The other side of a policy without rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBox:
    """A service."""

    name: str
    image: str
    replicas: int
    networks: tuple[str, ...]
    router: bool
    portals: tuple[str, ...]
    """Ports with a portal, `8080` or `80:8080` where this machine's is chosen."""

    @property
    def title(self) -> str:
        """The name, and how many replicas there are unless there is one."""
        times = f" \N{MULTIPLICATION SIGN}{self.replicas}"
        return self.name if self.replicas == 1 else self.name + times


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBar:
    """A network, and what each of its interfaces does to packets."""

    name: str
    subnet: str
    access: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLine:
    """A link between two services or pods."""

    first: str
    second: str
    first_service: str
    second_service: str
    network: str
    forward: str
    """Parameters in words; empty when packets do not notice the link."""
    backward: str
    changed: bool
    """Whether it is not as the topology says."""

    @property
    def label(self) -> str:
        """Both directions in one line."""
        if self.forward == self.backward:
            return self.forward or "no effect"
        return f"-> {self.forward or 'no effect'}  <- {self.backward or 'no effect'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyArrow:
    """What a policy lets through, from one side to the other."""

    policy: str
    source: str
    target: str
    source_service: str | None
    """None when the side is not a service: a network, a block, everybody, nobody."""
    target_service: str | None
    ports: str
    """Empty for all."""
    denial: str
    """What becomes of everything else."""

    @property
    def sides(self) -> tuple[tuple[str, str | None], ...]:
        """Source and target: the text, and the service if it is one."""
        return (self.source, self.source_service), (self.target, self.target_service)

    @property
    def shut(self) -> bool:
        """Whether nothing passes at all."""
        return (_NOBODY, None) in self.sides

    @property
    def label(self) -> str:
        """What becomes of connections between the two sides."""
        if self.shut:
            return f"all is {self.denial}"
        return f"allow {self.ports or 'all ports'}, else {self.denial}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMark:
    """A partition or a hold."""

    name: str
    kind: str
    groups: tuple[tuple[str, ...], ...]
    oneway: bool

    @property
    def label(self) -> str:
        """The groups and what is between them."""
        sign = " -> " if self.oneway else " | "
        return sign.join(", ".join(group) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """All of it."""

    name: str
    services: tuple[ServiceBox, ...]
    networks: tuple[NetworkBar, ...]
    links: tuple[LinkLine, ...]
    policies: tuple[PolicyArrow, ...]
    faults: tuple[FaultMark, ...]
    unreachable: tuple[tuple[str, str], ...]
    """Pairs of services between which no packet can pass."""


def make_diagram(
    topology: Topology, plan: Plan, links: Sequence[LinkState], faults: Sequence[FaultState] = ()
) -> Diagram:
    """Gather what there is to see.

    Args:
        topology: What is declared.
        plan: Has the subnets.
        links: The links, as declared or as they are now.
        faults: The partitions and holds that there are now.
    """
    access = access_links(topology)
    return Diagram(
        name=topology.name,
        services=tuple(_services(topology)),
        networks=tuple(
            NetworkBar(
                name=network.name,
                subnet=str(network.subnet),
                access=summary(access[network.name]) if network.name in access else "",
            )
            for network in plan.networks
        ),
        links=tuple(map(_link, links)),
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


def _services(topology: Topology) -> Iterator[ServiceBox]:
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
        )


def _link(link: LinkState) -> LinkLine:
    ends = link.ends
    return LinkLine(
        first=str(ends.first),
        second=str(ends.second),
        first_service=ends.first.service,
        second_service=ends.second.service,
        network=ends.network,
        forward=summary(link.forward),
        backward=summary(link.backward),
        changed=link.changed,
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
    peers: list[tuple[str, str | None]] = [(_NOBODY, None)]
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
