"""What each node is told of the others: where their trunks are, and which addresses they have.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vnet.trunk import PeerSpec, RemoteInterface

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.cluster.member import Member
    from pod_node.spec import PodSpec


class Whereabouts(NamedTuple):
    """All that decides what nodes are told.

    Two are compared for every pod that is booted, and nearly always nothing has changed; comparing
    costs a hundredth of making what is told.
    """

    members: tuple[Member, ...]
    owners: dict[str, str]
    """Each pod's node."""
    specs: dict[str, PodSpec]
    networks: frozenset[str]
    """Those that exist."""


def whereabouts(
    members: Iterable[Member],
    owners: Mapping[str, str],
    specs: Mapping[str, PodSpec],
    networks: Iterable[str],
) -> Whereabouts:
    """Note what is so now."""
    return Whereabouts(tuple(members), dict(owners), dict(specs), frozenset(networks))


def peers_of_all(known: Whereabouts) -> dict[Member, tuple[PeerSpec, ...]]:
    """Say of each node which others there are, with the interfaces of their pods."""
    interfaces = _interfaces(known)
    specs = [
        PeerSpec(
            name=member.name,
            address=member.trunk_address,
            interfaces=tuple(interfaces[member.name]),
        )
        for member in known.members
    ]
    return {
        member: tuple(spec for spec in specs if spec.name != member.name)
        for member in known.members
    }


def _interfaces(known: Whereabouts) -> dict[str, list[RemoteInterface]]:
    """What the pods of each node have on networks that exist."""
    found: dict[str, list[RemoteInterface]] = {member.name: [] for member in known.members}
    for pod, node in known.owners.items():
        spec = known.specs.get(pod)
        if spec is None or node not in found:
            continue
        found[node] += [
            RemoteInterface(
                network=interface.network, address=interface.address, prefix=interface.prefix
            )
            for interface in spec.interfaces
            if interface.network in known.networks
        ]
    return found
