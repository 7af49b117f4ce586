"""The ports of a cluster's machines on which no node is, which pods must not reach either.

Owns what counts as such where nobody can look: what the cluster tells, and what Ray takes. What a
machine with a node says of itself is its supervisor's business. Pure.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from orchestrator.backends.ray.ports import unseen_ports
from orchestrator.cluster.guarding import REASON
from vnet.configuration import GuardedPorts, PortRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.backends.ray.actors import Machine


def guards_of(machines: Iterable[Machine], gcs_address: str) -> tuple[GuardedPorts, ...]:
    """What is known of machines without a node, and of the cluster's own service."""
    host, _, port = gcs_address.rpartition(":")
    gcs = ((int(port), int(port)),) if port.isdecimal() else ()
    known = [(host, gcs), *((machine.address, unseen_ports(machine.ports)) for machine in machines)]
    return tuple(
        GuardedPorts(
            addresses=(ip_address(address),),
            ports=tuple(PortRange(first=first, last=last) for first, last in ports),
            reason=REASON,
        )
        for address, ports in known
        if address and ports
    )
