"""NetworkPolicy's words as a function, to compare the kernel with; and groups for policies.

The words are those of the Kubernetes documentation of network policies: a pod is non-isolated until
a policy selects it for a direction; then only what some rule of some policy that selects it allows
may pass; the policies add up, in no order; and a connection needs the leave of both its ends.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.configuration import Denial, Direction, Policy, PolicyRule, Protocol

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: where it is, and the group it is in."""

    address: IPv4Address
    group: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection that somebody wants."""

    source: End
    target: End
    protocol: Protocol
    port: int


def denial(policies: Sequence[Policy], attempt: Attempt) -> Denial | None:
    """Say how a connection is denied; None when it is allowed."""
    denying = [
        *_denying(policies, Direction.EGRESS, attempt.source, attempt.target, attempt),
        *_denying(policies, Direction.INGRESS, attempt.target, attempt.source, attempt),
    ]
    return next((policy.denial for policy in policies if policy in denying), None)


def _denying(
    policies: Iterable[Policy], direction: Direction, own: End, peer: End, attempt: Attempt
) -> list[Policy]:
    selecting = [
        policy
        for policy in policies
        if policy.direction is direction and own.group in policy.groups
    ]
    allowed = any(_allows(rule, peer, attempt) for policy in selecting for rule in policy.rules)
    return [] if allowed else selecting


def _allows(rule: PolicyRule, peer: End, attempt: Attempt) -> bool:
    everybody = not rule.groups and not rule.blocks
    from_block = any(
        peer.address in block.block and not any(peer.address in hole for hole in block.excepted)
        for block in rule.blocks
    )
    every_port = not rule.ports
    port = any(
        ports.protocol is attempt.protocol and ports.first <= attempt.port <= ports.last
        for ports in rule.ports
    )
    return (everybody or peer.group in rule.groups or from_block) and (every_port or port)


def declare_group(fabric: Fabric, number: int, network: int, addresses: Sequence[str]) -> None:
    """Put addresses into a group, whether pods have them or not."""
    packed = struct.pack(f"<{len(addresses)}I", *(int(IPv4Address(one)) for one in addresses))
    fabric.view[fabric.staging : fabric.staging + len(packed)] = packed
    fabric.call("host_group_set", number, network, 0, fabric.staging, len(addresses))


def declare_groups(
    fabric: Fabric, groups: Mapping[str, tuple[int, Sequence[str]]]
) -> dict[str, int]:
    """Declare groups by name, each with its network's number; the node's numbers of them."""
    numbers = {name: number for number, name in enumerate(groups, 1)}
    for name, (network, addresses) in groups.items():
        declare_group(fabric, numbers[name], network, addresses)
    return numbers
