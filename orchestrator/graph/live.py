"""A picture of a deployment as it runs: its topology with the links, faults and pods of now.

Owns the way from what a running deployment tells back to what pictures are made of. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.graph.gathering import make_diagram
from orchestrator.network.faults import FaultState
from orchestrator.topology.links import LinkEnds, LinkState
from orchestrator.topology.members import Roster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from orchestrator.desired.plan import Plan
    from orchestrator.graph.diagram import Diagram
    from orchestrator.topology.schema import Topology
    from orchestrator.views.deployment import DeploymentView, FaultView, LinkView


def scaled_as(topology: Topology, view: DeploymentView) -> Topology:
    """A topology with the name that a deployment has, and as many replicas as it is to have now."""
    services = dict(topology.services)
    for service in view.services:
        if service.name in services:
            deploy = services[service.name].deploy
            deploy = deploy.model_copy(update={"replicas": service.desired_pods})
            services[service.name] = services[service.name].model_copy(update={"deploy": deploy})
    return topology.model_copy(update={"name": view.name, "services": services})


def leases_of(view: DeploymentView) -> dict[tuple[str, str], IPv4Address]:
    """The addresses of a deployment's pods, by network and pod."""
    return {
        (interface.network, pod.spec.name): interface.address
        for pod in view.pods
        for interface in pod.spec.interfaces
    }


def is_plan_of(plan: Plan, view: DeploymentView) -> bool:
    """Tell whether a deployment has the pods of a plan, each at its place in the network."""
    planned = {pod.spec.name: (pod.spec.service, pod.spec.interfaces) for pod in plan.pods}
    there = {pod.spec.name: (pod.spec.service, pod.spec.interfaces) for pod in view.pods}
    return planned.items() <= there.items()


def make_live_diagram(
    topology: Topology, plan: Plan, view: DeploymentView, links: Sequence[LinkView]
) -> Diagram:
    """Gather what there is to see of a running deployment.

    Args:
        topology: What is declared.
        plan: What follows from it; the deployment's own.
        view: The deployment.
        links: Its links as they are now.

    Preconditions: `is_plan_of(plan, view)`.
    """
    roster = Roster(topology)
    return make_diagram(
        topology,
        plan,
        [_link(roster, link) for link in links],
        [_fault(roster, fault) for fault in view.faults],
        view.pods,
    )


def _link(roster: Roster, view: LinkView) -> LinkState:
    ends = LinkEnds(roster.find(view.first), roster.find(view.second), view.network)
    return LinkState(
        ends=ends,
        forward=view.forward,
        backward=view.backward,
        declared=view.declared,
        changed=view.changed,
    )


def _fault(roster: Roster, view: FaultView) -> FaultState:
    return FaultState(
        name=view.name,
        kind=view.kind,
        groups=view.sides,
        pods=tuple(roster.pods(map(roster.find, side)) for side in view.sides),
        oneway=view.oneway,
    )
