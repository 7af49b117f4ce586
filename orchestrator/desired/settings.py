"""What a topology sets beside pods, networks and portals: what of it differs from another topology.

Owns the comparison. Pure. Such settings are applied with every plan, and no node tells what it has
of them; so it is the topology declared before that tells whether they change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.topology.schema import Topology


def changed_settings(before: Topology | None, after: Topology) -> tuple[str, ...]:
    """Name the settings that differ; none do when nothing was declared before."""
    return () if before is None else tuple(_changed(before, after))


def _changed(before: Topology, after: Topology) -> Iterator[str]:
    if (before.links, before.seed) != (after.links, after.seed):
        yield "links"
    for name, section in after.networks.items():
        there = before.networks.get(name)
        if there is not None and there.link != section.link:
            yield f"links of network {name}"
    if before.policies != after.policies:
        yield "policies"
    if before.egress != after.egress:
        yield "egress"
    if before.schedule != after.schedule:
        yield "schedule"
    for service, wanted in after.services.items():
        known = before.services.get(service)
        if known is not None and known.restart != wanted.restart:
            yield f"restart policy of {service}"
