"""What pods must never reach, whatever egress rules say: that which runs the deployment itself.

Owns which ports of which machines each node keeps from its pods: those of the cluster and those of
the nodes, and those of an orchestrator that takes orders over the network. Whoever reaches them
gives orders, or tries to.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from orchestrator.cluster.listening import machine_addresses
from vnet.configuration import GuardedPorts, PortRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.cluster.member import Member
    from orchestrator.serving.access import ListenAddress

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


def guarded_address(listening: ListenAddress | None) -> tuple[GuardedPorts, ...]:
    """Where an orchestrator takes orders over the network, on this machine."""
    if listening is None:
        return ()
    ports = (PortRange(first=listening.port, last=listening.port),)
    addresses = tuple(map(ip_address, machine_addresses()))
    return (GuardedPorts(addresses=addresses, ports=ports, is_here=True, reason=REASON),)


def _port_of(address: str) -> tuple[PortRange, ...]:
    port = address.rpartition(":")[2]
    return (PortRange(first=int(port), last=int(port)),) if port else ()
