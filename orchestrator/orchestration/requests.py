"""What can be asked of a running deployment: another topology, scale, stop, start, portals.

Owns how each request changes what is declared, and the stream of progress that answers it, which
ends when the deployment has settled. Keeping it and making it real is `declared.py`'s business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.desired.declaration import (
    with_portal,
    with_scale,
    with_started,
    with_stopped,
    with_topology,
    without_portals,
)
from orchestrator.desired.planning import NO_WISHES, Wishes, newly_started, recreated_pods
from orchestrator.desired.steps import step_view
from orchestrator.orchestration.errors import NoPortalError
from orchestrator.topology.members import Roster
from orchestrator.views.deployment import AS_IT_IS
from orchestrator.views.progress import Progress, Settled, StepsPlanned

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from orchestrator.desired.declaration import Declaration
    from orchestrator.desired.steps import Step
    from orchestrator.launch.launch import Launch
    from orchestrator.orchestration.declared import Declared
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.deployment import ApplyOrder
    from pod_node.fanout import Fanout
    from pod_node.status import OpenPortal


class Requests:
    """Changes what is declared for one deployment, as somebody asks for it."""

    def __init__(self, declared: Declared, launch: Launch, progress: Fanout[Progress]) -> None:
        """Prepare to take requests.

        Args:
            declared: What is declared.
            launch: Makes it real.
            progress: What happens meanwhile.
        """
        self._declared = declared
        self._launch = launch
        self._progress = progress

    async def apply(
        self,
        source: TopologySource,
        order: ApplyOrder = AS_IT_IS,
        *,
        dry_run: bool = False,
    ) -> AsyncGenerator[Progress, None]:
        """Make the deployment what a topology says.

        Args:
            source: The topology.
            order: How.
            dry_run: Only say what would be done.

        Raises:
            TopologyRefusedError: the topology has errors, or is not for this deployment.
            OrchestratorError: it cannot be kept or made real; the one before holds.
        """
        topology = await self._declared.read(source)
        roster = Roster(topology)
        chosen = {roster.find(name).service for name in order.services}
        for service in order.replicas:
            roster.find_service(service)
        await self._launch.reached()
        with self._progress.subscribe() as subscription:
            async with self._declared.deciding:
                before = self._declared.declaration
                declared = with_topology(before, source, topology, chosen)
                declared = with_scale(declared, topology, order.replicas)
                started = newly_started(before, declared, topology)
                wishes = Wishes(started=started, retried=True)
                if order.force_recreate:
                    prepared = self._declared.prepare(declared, topology, wishes)
                    recreated = recreated_pods(prepared.plan, chosen)
                    wishes = replace(wishes, recreated=recreated)
                if dry_run:
                    ahead = self._declared.prepare(declared, topology, wishes).steps
                    yield _planned(ahead, declared.revision)
                    return
                steps = await self._declared.declare(declared, topology, wishes)
            yield _planned(steps, self._declared.declaration.revision)
            async for progress in subscription:
                yield progress
                if isinstance(progress, Settled):
                    return

    async def scale(self, replicas: Mapping[str, int]) -> AsyncGenerator[Progress, None]:
        """Change numbers of replicas."""
        for service in replicas:
            self._declared.roster.find_service(service)

        def change(declaration: Declaration, topology: Topology) -> Declaration:
            return with_scale(declaration, topology, replicas)

        async for progress in self._changed(change):
            yield progress

    async def stop_pods(
        self, targets: Sequence[str], grace_s: float | None
    ) -> AsyncGenerator[Progress, None]:
        """End pods until somebody starts them."""
        names = self._targets(targets)

        def change(declaration: Declaration, topology: Topology) -> Declaration:
            return with_stopped(declaration, names)

        async for progress in self._changed(change, grace_s=grace_s):
            yield progress

    async def start_pods(self, targets: Sequence[str]) -> AsyncGenerator[Progress, None]:
        """Start pods that were stopped, or have ended."""
        names = self._targets(targets)
        pods = frozenset(self._declared.control.find(names))

        def change(declaration: Declaration, topology: Topology) -> Declaration:
            return with_started(declaration, topology, names)

        async for progress in self._changed(change, Wishes(started=pods)):
            yield progress

    async def restart_pods(
        self, targets: Sequence[str], grace_s: float | None
    ) -> AsyncGenerator[Progress, None]:
        """End pods and start them again."""
        names = self._targets(targets)
        pods = frozenset(self._declared.control.find(names))

        def change(declaration: Declaration, topology: Topology) -> Declaration:
            return with_started(declaration, topology, names)

        async for progress in self._changed(change, Wishes(restarted=pods), grace_s=grace_s):
            yield progress

    async def open_portal(self, service: str, port: int, host_port: int) -> OpenPortal:
        """Open a portal to a port of a service; one that is open already stays.

        Args:
            service: The service.
            port: The port in its pods.
            host_port: The port of this machine; 0 shares the node's.

        Raises:
            OrchestratorError: there is no such service, or the port cannot be had.
        """
        self._declared.roster.find_service(service)
        await self._declared_anew(lambda now: with_portal(now, service, port, host_port))
        return next(
            portal
            for portal in self._launch.portals
            if (portal.service, portal.port) == (service, port)
        )

    async def close_portals(self, service: str, port: int) -> tuple[OpenPortal, ...]:
        """Close the portals to a port of a service, or with 0 to all of its ports; say which.

        Raises:
            OrchestratorError: there is no such service, or no such portal.
        """
        self._declared.roster.find_service(service)
        closing = tuple(
            portal
            for portal in self._launch.portals
            if portal.service == service and port in (0, portal.port)
        )
        if not closing:
            where = f"port {port} of {service}" if port else service
            raise NoPortalError(f"no portal leads to {where}; see podnet portal ls")
        keys = [(portal.service, portal.port) for portal in closing]
        await self._declared_anew(lambda now: without_portals(now, keys))
        return closing

    async def _declared_anew(self, change: Callable[[Declaration], Declaration]) -> None:
        """Keep and make real what changes nothing about pods."""
        async with self._declared.deciding:
            topology = self._declared.topology
            await self._declared.declare(change(self._declared.declaration), topology)

    async def _changed(
        self,
        change: Callable[[Declaration, Topology], Declaration],
        wishes: Wishes = NO_WISHES,
        grace_s: float | None = None,
    ) -> AsyncGenerator[Progress, None]:
        with self._progress.subscribe() as subscription:
            async with self._declared.deciding:
                topology = self._declared.topology
                declared = change(self._declared.declaration, topology)
                steps = await self._declared.declare(declared, topology, wishes, grace_s=grace_s)
            yield _planned(steps, self._declared.declaration.revision)
            async for progress in subscription:
                yield progress
                if isinstance(progress, Settled):
                    return

    def _targets(self, targets: Sequence[str]) -> tuple[str, ...]:
        """Check names of services and pods; none stand for all services."""
        names = tuple(targets) or tuple(self._declared.topology.services)
        self._declared.control.find(names)
        return names


def _planned(steps: Sequence[Step], revision: int) -> StepsPlanned:
    return StepsPlanned(tuple(map(step_view, steps)), revision)
