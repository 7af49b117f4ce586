"""What each node is told of the others: where their trunks are, and which addresses they have.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnet.trunk import PeerSpec, RemoteInterface

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestrator.cluster.member import Member
    from pod_node.spec import PodSpec


def peers_of(
    member: Member,
    members: Iterable[Member],
    owners: Mapping[str, str],
    specs: Mapping[str, PodSpec],
    networks: Collection[str],
) -> tuple[PeerSpec, ...]:
    """All nodes but one, with the interfaces of their pods on networks that exist."""
    interfaces: dict[str, list[RemoteInterface]] = {}
    for pod, node in owners.items():
        spec = specs.get(pod)
        if spec is None or node == member.name:
            continue
        interfaces.setdefault(node, []).extend(
            RemoteInterface(
                network=interface.network, address=interface.address, prefix=interface.prefix
            )
            for interface in spec.interfaces
            if interface.network in networks
        )
    return tuple(
        PeerSpec(
            name=other.name,
            address=other.trunk_address,
            interfaces=tuple(interfaces.get(other.name, ())),
        )
        for other in members
        if other is not member
    )
