"""What would be done for a topology, for a deployment that no orchestrator runs.

Owns the look at what a killed orchestrator left behind: its database and its node. Changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.backends.processes import find_node
from orchestrator.codec import NodeClient
from orchestrator.desired.declaration import Declaration, Wanted, with_scale, with_topology
from orchestrator.desired.planning import Wishes, newly_started, prepare, recreated_pods
from orchestrator.desired.reconcile import Observed
from orchestrator.desired.settings import changed_settings
from orchestrator.desired.steps import step_view
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.store.store import Store
from orchestrator.topology.loader import read_source
from pod_node.images import absolute_reference
from pod_node.status import PodExisting

if TYPE_CHECKING:
    from orchestrator.desired.steps import StepView
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.deployment import ApplyOrder


async def steps_ahead(
    folder: DeploymentFolder,
    topology: Topology,
    source: TopologySource,
    order: ApplyOrder,
) -> tuple[StepView, ...]:
    """Say what would be done.

    Raises:
        StoreError: the database cannot be read.
        NodeLostError: there is a node, and it does not answer.
    """
    before = Declaration()
    if folder.database.exists():
        with Store.open(folder.database) as store:
            before = store.load()
    observed = await observe(folder)
    declared = with_topology(before, source, topology, order.services)
    declared = with_scale(declared, topology, order.replicas)
    wishes = Wishes(
        started=newly_started(before, declared, topology),
        retried=True,
        settings=changed_settings(_declared(before), topology),
    )
    prepared = prepare(declared, topology, observed, folder.path, wishes)
    if order.force_recreate:
        wishes = replace(wishes, recreated=recreated_pods(prepared.plan, order.services))
        prepared = prepare(declared, topology, observed, folder.path, wishes)
    return tuple(map(step_view, prepared.steps))


def _declared(before: Declaration) -> Topology | None:
    """The topology that a killed orchestrator had; None when it can be read no more."""
    if before.wanted is not Wanted.UP or before.source is None:
        return None
    return read_source(before.source, absolute_reference).topology


async def observe(folder: DeploymentFolder) -> Observed:
    """Look at the node that runs without an orchestrator, if there is one."""
    found = find_node(folder.path)
    if found is None:
        return Observed()
    found.close()
    deployment = Deployment()
    async with NodeClient(folder.socket) as client:
        for status in await client.list_pods():
            deployment.handle(PodExisting(status=status), 0.0)
        return Observed(
            networks=await client.list_networks(),
            pods=deployment.observed,
            portals=await client.list_portals(),
        )
