"""Under which names a pod is found, and from where.

Owns the names on the networks that a pod is on, and on those from which routers lead to it: there
the same names give the address that is fewest routers away. Pure. Which of these names lead to a
pod now, because it is ready, is `reachable.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Address

    from orchestrator.network.adjacency import NetworkMap
    from pod_node.spec import Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedName:
    """A name under which a pod is found, and the address that it gives on one network."""

    name: str
    network: str
    """Where the name is known; the address may be on another one."""
    address: IPv4Address


def published_names(
    service: str, pod: str, interfaces: Sequence[Interface], networks: NetworkMap
) -> Iterator[PublishedName]:
    """All names of a pod: those shared with other replicas first, each on every network.

    Args:
        service: The pod's service.
        pod: The pod's own name.
        interfaces: The networks that the pod is on.
        networks: Which networks lead to which.
    """
    addresses = {interface.network: interface.address for interface in interfaces}
    elsewhere = [name for name in networks.names if name not in addresses]
    for name in (service, pod):
        for network, address in addresses.items():
            yield PublishedName(name=name, network=network, address=address)
            yield PublishedName(name=f"{name}.{network}", network=network, address=address)
        for network in elsewhere:
            reached = networks.reached(network, service)
            if reached:
                yield PublishedName(name=name, network=network, address=addresses[reached[0]])
            for other in reached:
                qualified = f"{name}.{other}"
                yield PublishedName(name=qualified, network=network, address=addresses[other])
