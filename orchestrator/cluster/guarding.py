"""What pods must never reach, whatever egress rules say: that which runs the deployment itself.

Owns which ports of which machines each node keeps from its pods: those of the cluster and those of
the nodes. Whoever reaches them gives orders, or tries to. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnet.configuration import GuardedPorts, PortRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.cluster.member import Member

REASON = "a port of what runs the deployment, which pods never reach"


def guarded_by(
    member: Member, members: Iterable[Member], others: Iterable[GuardedPorts]
) -> tuple[GuardedPorts, ...]:
    """What a node keeps from its pods.

    Args:
        member: The node.
        members: All nodes.
        others: Ports of machines without a node.
    """
    machine = member.settings.machine
    own = (
        GuardedPorts(
            addresses=other.settings.addresses,
            ports=(*other.settings.ports, *_port_of(other.trunk_address)),
            is_here=other.settings.machine == machine,
            reason=REASON,
        )
        for other in members
        if other.settings.addresses
    )
    return (*own, *others)


def _port_of(address: str) -> tuple[PortRange, ...]:
    port = address.rpartition(":")[2]
    return (PortRange(first=int(port), last=int(port)),) if port else ()
