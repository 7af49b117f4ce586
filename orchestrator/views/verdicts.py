"""Whether one pod may connect to another, and which policy says so.

Owns the meaning of policies in words: a policy isolates the groups that it selects in one
direction, policies add up, and a connection needs the leave of both sides. The node decides for
itself when a connection is made; this is for people who ask beforehand. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnet.configuration import Denial, Direction

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vnet.configuration import NetworkConfiguration, Policy, PolicyRule, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A connection, or a first datagram, that somebody might try."""

    source: IPv4Address
    target: IPv4Address
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one side's policies say about an attempt."""

    direction: Direction
    allowed: bool
    policy: str | None = None
    """Which one decides; None when none selects this side."""
    rule: int | None = None
    """The rule of the policy that allows it, counted from 1."""
    denial: Denial | None = None
    """How it is denied."""


def judge(configuration: NetworkConfiguration, attempt: Attempt) -> tuple[Verdict, Verdict]:
    """Say what the policies of both sides decide: egress of the source, ingress of the target."""
    return (
        _side(configuration, attempt, Direction.EGRESS),
        _side(configuration, attempt, Direction.INGRESS),
    )


def _side(configuration: NetworkConfiguration, attempt: Attempt, direction: Direction) -> Verdict:
    leaving = direction is Direction.EGRESS
    own = attempt.source if leaving else attempt.target
    peer = attempt.target if leaving else attempt.source
    own_groups, peer_groups = _groups(configuration, own), _groups(configuration, peer)
    selecting = [
        policy
        for policy in configuration.policies
        if policy.direction is direction and own_groups.intersection(policy.groups)
    ]
    for policy in selecting:
        for number, rule in enumerate(policy.rules, 1):
            if _allows(rule, attempt, peer, peer_groups):
                return Verdict(direction=direction, allowed=True, policy=policy.name, rule=number)
    return _denied(direction, selecting)


def _denied(direction: Direction, selecting: list[Policy]) -> Verdict:
    if not selecting:
        return Verdict(direction=direction, allowed=True)
    first = selecting[0]
    return Verdict(direction=direction, allowed=False, policy=first.name, denial=first.denial)


def _allows(
    rule: PolicyRule, attempt: Attempt, peer: IPv4Address, peer_groups: frozenset[str]
) -> bool:
    everybody = not rule.groups and not rule.blocks
    known = not peer_groups.isdisjoint(rule.groups)
    inside = any(
        peer in block.block and not any(peer in hole for hole in block.excepted)
        for block in rule.blocks
    )
    port = not rule.ports or any(
        ports.protocol is attempt.protocol and ports.first <= attempt.port <= ports.last
        for ports in rule.ports
    )
    return port and (everybody or known or inside)


def _groups(configuration: NetworkConfiguration, address: IPv4Address) -> frozenset[str]:
    return frozenset(group.name for group in configuration.groups if address in group.interfaces)
