"""Who can be reached now: names and portal backends follow from which pods are ready.

Owns both tables and what "ready" means: a pod with a health check is ready while it is healthy, one
without while it runs. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pod_node.status import PortalBackend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address

    from orchestrator.desired.plan import Plan, PlannedPortal
    from orchestrator.views.phases import PodView

Names: TypeAlias = "dict[str, dict[str, list[IPv4Address]]]"
"""Addresses by network and name."""


def ready_pods(views: Iterable[PodView]) -> dict[str, PodView]:
    """Choose the pods that may get traffic."""
    return {view.spec.name: view for view in views if view.ready}


def reachable_names(plan: Plan, ready: dict[str, PodView]) -> Names:
    """Give every name of the plan its ready addresses; a name without any still exists."""
    tables: Names = {network.name: {} for network in plan.networks}
    for pod in plan.pods:
        for name in pod.names:
            addresses = tables[name.network].setdefault(name.name, [])
            if pod.spec.name in ready:
                addresses.append(name.address)
    return tables


def portal_backends(portal: PlannedPortal, ready: dict[str, PodView]) -> tuple[PortalBackend, ...]:
    """Choose the pods behind a portal; the host dials a pod on its first network."""
    return tuple(
        PortalBackend(pod, ready[pod].spec.interfaces[0].address)
        for pod in portal.pods
        if pod in ready and ready[pod].spec.interfaces
    )
