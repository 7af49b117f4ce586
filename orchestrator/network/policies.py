"""From a topology's policies and egress rules to those that a node applies.

Owns the translation of services and networks to groups. Pure. What policies and rules mean stands
in `vnet/configuration.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnet.configuration import (
    AddressBlock,
    Direction,
    Egress,
    EgressLimits,
    Policy,
    PolicyRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.network.groups import Unit
    from orchestrator.topology.schema import EgressRule, IngressRule, PolicySection, Topology


def policies_of(topology: Topology, units: Sequence[Unit]) -> Iterator[Policy]:
    """The policies of a topology, one for each direction that an entry isolates."""
    for index, section in enumerate(topology.policies):
        sides: tuple[tuple[Direction, Sequence[IngressRule | EgressRule] | None], ...] = (
            (Direction.INGRESS, section.ingress),
            (Direction.EGRESS, section.egress),
        )
        for direction, rules in sides:
            groups = _selected(section, units)
            if rules is not None and groups:
                yield Policy(
                    name=f"policies[{index}].{direction.value}",
                    groups=groups,
                    direction=direction,
                    rules=tuple(_rules(rules, units)),
                    denial=section.deny,
                )


def egress_of(topology: Topology) -> Iterator[Egress]:
    """What may leave for real networks, service by service."""
    for section in topology.egress:
        yield Egress(
            service=section.service,
            rules=section.allow,
            limits=EgressLimits(
                connections=section.limits.connections, transfer_bytes=section.limits.bytes
            ),
        )


def _selected(section: PolicySection, units: Sequence[Unit]) -> tuple[str, ...]:
    if section.service is not None:
        return tuple(_of_service(section.service, units))
    return tuple(_on_network(section.network or "", units))


def _rules(
    rules: Iterable[IngressRule | EgressRule], units: Sequence[Unit]
) -> Iterator[PolicyRule]:
    for rule in rules:
        groups, blocks = _peers(rule, units)
        # Peers that have no pods are nobody, while no peers at all are everybody.
        if groups or blocks or not rule.peers:
            yield PolicyRule(groups=groups, blocks=blocks, ports=rule.ports)


def _peers(
    rule: IngressRule | EgressRule, units: Sequence[Unit]
) -> tuple[tuple[str, ...], tuple[AddressBlock, ...]]:
    groups: dict[str, None] = {}
    blocks: list[AddressBlock] = []
    for peer in rule.peers:
        if peer.service is not None:
            groups.update(dict.fromkeys(_of_service(peer.service, units)))
        elif peer.network is not None:
            groups.update(dict.fromkeys(_on_network(peer.network, units)))
        elif peer.cidr is not None:
            blocks.append(AddressBlock(block=peer.cidr, excepted=peer.excepted))
    return tuple(groups), tuple(blocks)


def _of_service(service: str, units: Iterable[Unit]) -> Iterator[str]:
    for unit in units:
        if unit.member.service == service:
            yield from map(unit.group, unit.networks)


def _on_network(network: str, units: Iterable[Unit]) -> Iterator[str]:
    for unit in units:
        if network in unit.networks:
            yield unit.group(network)
