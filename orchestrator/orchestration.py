"""The orchestrator of one deployment: what is declared, kept, made real and kept real.

Owns the order of these: nothing is done that was not kept before, and one declaration is taken up
after the other. Plans are worked out by `planning.py`, kept by `store.py`, made real by
`launch.py`; the network and single pods are `control.py`'s. Who asks, and who watches, is not known
here: every request gives a stream of progress.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.control import Control
from orchestrator.declaration import (
    Declaration,
    PortalMemory,
    Wanted,
    at_end,
    with_portal,
    with_scale,
    with_started,
    with_stopped,
    with_topology,
    without_portals,
)
from orchestrator.errors import OrchestratorError
from orchestrator.events import EventLog
from orchestrator.failures import DeploymentFailedError
from orchestrator.launch import Launch, Order
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.planning import NO_WISHES, Wishes, prepare, recreated_pods
from orchestrator.progress import (
    ImageAdvanced,
    Noticed,
    PodAdvanced,
    PodRemoved,
    Progress,
    RolloutAdvanced,
    Settled,
    Started,
    StepsPlanned,
)
from orchestrator.steps import step_view
from orchestrator.topology.loader import read_source
from orchestrator.topology.members import Roster
from orchestrator.topology.render import render_problems
from orchestrator.views import NodeGone, PlanTaken, Remarked, RolloutShown
from pod_node.errors import PodNodeError
from pod_node.fanout import Fanout
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence

    from orchestrator.backends.backend import Backend
    from orchestrator.codec import NodeClient
    from orchestrator.declaration import NetworkMemory
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.phases import PodView
    from orchestrator.planning import Prepared
    from orchestrator.progress import Screen
    from orchestrator.state import DeploymentFolder
    from orchestrator.steps import Step
    from orchestrator.store import Store
    from orchestrator.topology.resolution import FindImage
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource
    from orchestrator.views import DeploymentView
    from pod_node.progress import Progress as ImageProgress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal
    from vnet.egress import EgressHappening

WAITING_PROGRESS = 16384
"""What may wait for a slow reader of progress: several for each of a thousand pods."""


class TopologyRefusedError(OrchestratorError):
    """A topology that somebody sent has errors, or is for another deployment."""


class NoPortalError(OrchestratorError):
    """There is no portal that could be closed."""


class NothingDeclaredError(OrchestratorError):
    """Nothing was declared yet that a request could be about."""

    def __str__(self) -> str:
        return 'nothing is declared for this deployment yet; give "podnet up" a topology'


class Orchestrator:
    """One deployment's orchestrator."""

    def __init__(
        self,
        folder: DeploymentFolder,
        store: Store,
        backend: Backend,
        screen: Screen,
        wall: Callable[[], float],
        find_image: FindImage,
        *,
        foreground: bool,
    ) -> None:
        """Prepare to run; must be called while the event loop runs.

        Args:
            folder: The deployment's folder, which the caller holds.
            store: Its database.
            backend: Where its node runs.
            screen: Where a person watches.
            wall: Tells the time, in seconds since the epoch.
            find_image: Makes image references absolute.
            foreground: Whether the deployment ends with its pods, or when they cannot start.
        """
        self._folder = folder
        self._store = store
        self._backend = backend
        self._screen = screen
        self._wall = wall
        self._find_image = find_image
        self._foreground = foreground
        self._clock = asyncio.get_running_loop().time
        self.events = EventLog(wall, screen.show_notice)
        self._progress: Fanout[Progress] = Fanout(WAITING_PROGRESS)
        self._declaration = store.load()
        self._launch = Launch(
            backend,
            self,
            self,
            wall,
            records=self._restarts_by_clock(store.load_restarts()),
            shows_logs=foreground,
            ends_when_finished=foreground,
        )
        self._control: Control | None = None
        self._has_control = asyncio.Event()
        self._topology: Topology | None = None
        self._prepared: Prepared | None = None
        self._deciding = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._work: asyncio.Queue[Coroutine[None, None, object]] = asyncio.Queue()
        self._restarts: dict[str, RestartRecord | None] = {}
        self._expected_plans = 1
        self._has_started = self._has_settled = self._had_settled = False
        self._rollouts: dict[str, RolloutView] = {}
        self._node_loss = ""
        self._end_asked = asyncio.Event()
        self._end_grace_s: float | None = None
        self._failure: OrchestratorError | VnetError | PodNodeError | None = None

    # --- what there is ---

    @property
    def control(self) -> Control:
        """The network and single pods.

        Raises:
            NothingDeclaredError: there is nothing yet.
        """
        if self._control is None:
            raise NothingDeclaredError
        return self._control

    @property
    def was_ended(self) -> bool:
        """Whether somebody asked for the end."""
        return self._end_asked.is_set()

    @property
    def declaration(self) -> Declaration:
        """What is declared."""
        return self._declaration

    async def declared(self) -> None:
        """Wait until something is declared."""
        await self._has_control.wait()

    def describe(self) -> DeploymentView:
        """Say what runs."""
        return replace(
            self.control.describe(),
            revision=self._declaration.revision,
            rollouts=tuple(self._launch.deployment.rollouts),
            node_process_id=self._backend.pid,
            node_loss=self._node_loss,
        )

    # --- its life ---

    async def run(self) -> list[PodView]:
        """Run until the deployment ends, by itself or because somebody says so.

        Returns:
            The pods as they were at the end.

        Raises:
            OrchestratorError: it failed; everything was taken down.
        """
        failure: OrchestratorError | VnetError | PodNodeError | None = None
        views: list[PodView] = []
        async with asyncio.TaskGroup() as group:
            worker = group.create_task(self._do_work(), name="work")
            launch = group.create_task(self._run_launch(), name="launch")
            asked = group.create_task(self._end_asked.wait(), name="end")
            try:
                await asyncio.wait({launch, asked}, return_when=asyncio.FIRST_COMPLETED)
                if not launch.done():
                    await self._stop_pods(self._end_grace_s)
                    views = self._launch.deployment.views
                else:
                    result = launch.result()
                    if isinstance(result, OrchestratorError):
                        failure = result
                    else:
                        views = result
                launch.cancel()
                await asyncio.wait({launch})
                await self._take_down()
            finally:
                for task in (launch, asked, worker):
                    task.cancel()
        failure = failure or self._failure
        if failure is not None:
            raise failure
        return views

    async def _run_launch(self) -> list[PodView] | OrchestratorError:
        try:
            return await self._launch.run()
        except OrchestratorError as error:
            return error

    def end_soon(self, grace_s: float | None = None) -> None:
        """Take everything down, soon.

        Args:
            grace_s: How long all pods together get to end by themselves; None leaves it to their
                services.
        """
        self._end_grace_s = grace_s
        self._end_asked.set()

    def fail(self, error: OrchestratorError | VnetError | PodNodeError) -> None:
        """Take everything down because of an error."""
        self._failure = error
        self.end_soon(0.0)

    async def restore(self) -> None:
        """Take up what was declared when another orchestrator ended."""
        declaration = self._declaration
        if declaration.wanted is Wanted.DOWN or declaration.source is None:
            return
        await self._launch.reached()
        async with self._deciding:
            reading = await asyncio.to_thread(read_source, declaration.source, self._find_image)
            if reading.topology is None:
                raise TopologyRefusedError(render_problems(reading.errors))
            await self._declare(declaration, reading.topology, lenient=True)

    async def _stop_pods(self, grace_s: float | None) -> None:
        """End the pods, those first that others do not need; what is declared is their end."""
        await self._save(at_end(self._declaration))
        prepared = self._prepared
        if prepared is None:
            return
        stopped: set[str] = set()
        budget = None if grace_s is None else grace_s
        with suppress(TimeoutError, OrchestratorError):
            async with asyncio.timeout(None if budget is None else budget + 1.0):
                levels = reversed(prepared.plan.levels) if budget is None else [None]
                for level in levels:
                    pods = prepared.plan.pods
                    stopped |= {
                        p.spec.name for p in pods if level is None or p.spec.service in level
                    }
                    await self._stop_all(prepared, frozenset(stopped), grace_s)

    async def _stop_all(
        self, prepared: Prepared, stopped: frozenset[str], grace_s: float | None
    ) -> None:
        desired = replace(prepared.desired, stopped=stopped)
        await self._launch.plan(self._order(replace(prepared, desired=desired), grace_s=grace_s))
        deployment = self._launch.deployment
        while any(view.spec.name in stopped and view.phase.alive for view in deployment.views):
            await self._launch.wait_changed()

    async def _take_down(self) -> None:
        """End the node, and have nothing declared any more."""
        await self._backend.end()
        if self._declaration.wanted is Wanted.UP:
            await self._save(at_end(self._declaration))
        await asyncio.to_thread(self._store.forget_restarts)
        self._progress.close()
        self.events.close()

    async def _do_work(self) -> None:
        """Do one after the other what follows from what happened."""
        while True:
            work = await self._work.get()
            try:
                await work
            except (OrchestratorError, VnetError) as error:
                self.events.tell(str(error), Remarked(failure=True))

    # --- what can be asked for ---

    async def apply(
        self,
        source: TopologySource,
        *,
        dry_run: bool = False,
        force_recreate: bool = False,
        services: Sequence[str] = (),
    ) -> AsyncGenerator[Progress, None]:
        """Make the deployment what a topology says.

        Args:
            source: The topology.
            dry_run: Only say what would be done.
            force_recreate: Replace pods that do not differ, too.
            services: The only ones to start, with those that they depend on; none means all.

        Raises:
            TopologyRefusedError: the topology has errors, or is not for this deployment.
            OrchestratorError: it cannot be kept or made real; the one before holds.
        """
        topology = await self._read(source)
        roster = Roster(topology)
        chosen = {roster.find(name).service for name in services}
        await self._launch.reached()
        wishes = Wishes(retried=True)
        with self._progress.subscribe() as subscription:
            async with self._deciding:
                declared = with_topology(self._declaration, source, topology, chosen)
                if force_recreate:
                    prepared = self._prepare(declared, topology, wishes)
                    recreated = recreated_pods(prepared.plan, chosen)
                    wishes = replace(wishes, recreated=recreated)
                if dry_run:
                    ahead = self._prepare(declared, topology, wishes).steps
                    yield _planned(ahead, declared.revision)
                    return
                steps = await self._declare(declared, topology, wishes)
            yield _planned(steps, self._declaration.revision)
            async for progress in subscription:
                yield progress
                if isinstance(progress, Settled):
                    return

    async def scale(self, replicas: Mapping[str, int]) -> AsyncGenerator[Progress, None]:
        """Change numbers of replicas."""
        for service in replicas:
            self._roster().find_service(service)

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
        pods = set(self.control.find(names))
        idle = frozenset(
            view.spec.name
            for view in self._launch.deployment.views
            if view.spec.name in pods and view.phase.final
        )

        def change(declaration: Declaration, topology: Topology) -> Declaration:
            return with_started(declaration, topology, names)

        async for progress in self._changed(change, Wishes(restarted=idle)):
            yield progress

    async def restart_pods(
        self, targets: Sequence[str], grace_s: float | None
    ) -> AsyncGenerator[Progress, None]:
        """End pods and start them again."""
        names = self._targets(targets)
        pods = frozenset(self.control.find(names))

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
        self._roster().find_service(service)
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
        self._roster().find_service(service)
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
        async with self._deciding:
            topology = self._declared_topology()
            await self._declare(change(self._declaration), topology)

    async def take_down(self, grace_s: float | None) -> AsyncGenerator[Progress, None]:
        """End everything."""
        with self._progress.subscribe() as subscription:
            await self._save(at_end(self._declaration))
            self.end_soon(grace_s)
            async for progress in subscription:
                yield progress

    async def _changed(
        self,
        change: Callable[[Declaration, Topology], Declaration],
        wishes: Wishes = NO_WISHES,
        grace_s: float | None = None,
    ) -> AsyncGenerator[Progress, None]:
        with self._progress.subscribe() as subscription:
            async with self._deciding:
                topology = self._declared_topology()
                declared = change(self._declaration, topology)
                steps = await self._declare(declared, topology, wishes, grace_s=grace_s)
            yield _planned(steps, self._declaration.revision)
            async for progress in subscription:
                yield progress
                if isinstance(progress, Settled):
                    return

    async def _read(self, source: TopologySource) -> Topology:
        reading = await asyncio.to_thread(read_source, source, self._find_image)
        if reading.topology is None or reading.errors:
            raise TopologyRefusedError(render_problems(reading.errors))
        if reading.topology.name != self._folder.name:
            raise TopologyRefusedError(
                f'this is deployment "{self._folder.name}", and the topology is of '
                f'"{reading.topology.name}"'
            )
        return reading.topology

    def _declared_topology(self) -> Topology:
        if self._topology is None:
            raise NothingDeclaredError
        return self._topology

    def _roster(self) -> Roster:
        return Roster(self._declared_topology())

    def _targets(self, targets: Sequence[str]) -> tuple[str, ...]:
        """Check names of services and pods; none stand for all services."""
        names = tuple(targets) or tuple(self._declared_topology().services)
        self.control.find(names)
        return names

    # --- from a declaration to a plan ---

    def _prepare(self, declaration: Declaration, topology: Topology, wishes: Wishes) -> Prepared:
        return prepare(declaration, topology, self._launch.observed, self._folder.path, wishes)

    async def _declare(
        self,
        declaration: Declaration,
        topology: Topology,
        wishes: Wishes = NO_WISHES,
        *,
        grace_s: float | None = None,
        lenient: bool = False,
    ) -> Sequence[Step]:
        """Keep a declaration and make it real; return the steps that begin.

        Raises:
            OrchestratorError: it cannot be kept, or the node refused it; the one before holds.
        """
        prepared = self._prepare(declaration, topology, wishes)
        before = self._declaration, self._topology, self._prepared
        await self._save(prepared.declaration)
        self._folder.make_volumes(volume.folder for volume in prepared.plan.volumes)
        self._topology, self._prepared = topology, prepared
        if self._control is None:
            self._control = self._create_control(prepared)
        self._expected_plans = self._launch.deployment.plans + 1
        self._has_started = self._has_settled = False
        try:
            steps = await self._launch.plan(self._order(prepared, grace_s=grace_s, lenient=lenient))
        except OrchestratorError:
            if before[2] is not None:
                _, self._topology, self._prepared = before
                await self._save(before[0])
            raise
        self._has_control.set()
        self._tell_plan(steps)
        return steps

    def _order(
        self, prepared: Prepared, *, grace_s: float | None = None, lenient: bool = False
    ) -> Order:
        return Order(
            desired=prepared.desired,
            revision=prepared.declaration.revision,
            policies=prepared.policies,
            surges=prepared.surges,
            standing=prepared.declaration.standing,
            portals=prepared.declaration.portals,
            grace_s=grace_s,
            lenient=lenient,
        )

    def _create_control(self, prepared: Prepared) -> Control:
        source = prepared.declaration.source
        assert source is not None, "something is declared"
        control = Control(
            prepared.topology, prepared.plan, source, self.events, self._wall, self._remember
        )
        control.restore(prepared.declaration.network)
        return control

    def _tell_plan(self, steps: Sequence[Step]) -> None:
        if steps:
            views = tuple(map(step_view, steps))
            revision = self._declaration.revision
            text = f"revision {revision}: {len(views)} step{'s' * (len(views) > 1)}"
            self.events.tell(text, PlanTaken(views, revision))

    async def _save(self, declaration: Declaration) -> None:
        async with self._saving:
            await asyncio.to_thread(self._store.save, declaration)
            self._declaration = declaration

    async def _remember(self, memory: NetworkMemory) -> None:
        if self._declaration.network != memory:
            await self._save(replace(self._declaration, network=memory))

    # --- what happens, as a companion of the launch ---

    _node: NodeClient | None = None

    def node_connected(self, client: NodeClient | None) -> None:
        """Go on with a node."""
        self._node = client
        if client is None and self._control is not None:
            self._control.connect(None)

    async def planned(self, order: Order) -> None:
        """Give the node the network of the plan."""
        prepared, source = self._prepared, self._declaration.source
        if prepared is not None and source is not None:
            if self._node is not None:
                self.control.connect(self._node)
            await self.control.replan(prepared.topology, prepared.plan, source)

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """Take note of the portals, and remember their names."""
        self.control.portals_opened(portals)
        labels = {(portal.service, portal.port): portal.label for portal in portals}
        shared = next((portal.host_port for portal in portals if not portal.pinned), 0)
        before = self._declaration.portals
        memory = replace(before, labels=labels, shared_host_port=shared)
        if memory != self._declaration.portals:
            self._work.put_nowait(self._remember_portals(memory))

    async def _remember_portals(self, memory: PortalMemory) -> None:
        if self._declaration.wanted is Wanted.UP:
            now = self._declaration.portals
            portals = replace(now, labels=memory.labels, shared_host_port=memory.shared_host_port)
            await self._save(replace(self._declaration, portals=portals))

    def pod_changed(self, view: PodView) -> None:
        """Tell that a pod changed."""
        if self._control is not None:
            self._control.pod_changed(view)

    def pod_removed(self, pod: str) -> None:
        """Tell that a pod is gone for good."""
        if self._control is not None:
            self._control.pod_removed(pod)

    def rollout_changed(self, view: RolloutView) -> None:
        """Tell how an update gets on; one that came to a stand is remembered."""
        self._progress.publish(RolloutAdvanced(view))
        self.events.tell(str(view), RolloutShown(view))
        if view.state is RolloutState.PAUSED:
            self._work.put_nowait(self._stand(view.service, view.reason))

    async def _stand(self, service: str, reason: str) -> None:
        if self._declaration.standing.get(service) != reason:
            standing = {**self._declaration.standing, service: reason}
            await self._save(replace(self._declaration, standing=standing))

    def rollout_finished(self, service: str) -> None:
        """Let go what a service borrowed for its update."""
        if service in self._declaration.surges:
            self._has_started = self._has_settled = True  # not before the borrowed pods have gone
            self._work.put_nowait(self._give_back(service))

    async def _give_back(self, service: str) -> None:
        async with self._deciding:
            surges = {k: v for k, v in self._declaration.surges.items() if k != service}
            topology = self._declared_topology()
            await self._declare(replace(self._declaration, surges=surges), topology, lenient=True)

    def rollout_failed(self, service: str, reason: str) -> None:
        """Go back to the topology before."""
        self._has_started = self._has_settled = True  # not before the topology before holds
        self._work.put_nowait(self._roll_back(service, reason))

    async def _roll_back(self, service: str, reason: str) -> None:
        async with self._deciding:
            previous = self._declaration.previous
            if previous is None:
                text = f"{service}: there is no topology to go back to ({reason})"
                self.events.tell(text, Remarked(failure=True))
                self._has_started = self._has_settled = False
                self.progressed()
                return
            topology = await self._read(previous)
            declared = with_topology(self._declaration, previous, topology, rolled_back=True)
            text = f"{service}: going back to the topology before, because {reason}"
            self.show_notice(text, failure=True)
            self.events.tell(text, Remarked(failure=True))
            await self._declare(declared, topology, Wishes(retried=True), lenient=True)

    def restarts_changed(self, pod: str, record: RestartRecord | None) -> None:
        """Remember a pod's restarts, soon."""
        if not self._restarts:
            self._work.put_nowait(self._keep_restarts())
        self._restarts[pod] = record

    async def _keep_restarts(self) -> None:
        restarts, self._restarts = self._restarts, {}
        offset = self._wall() - self._clock()
        records = {pod: _moved(record, offset) for pod, record in restarts.items()}
        async with self._saving:
            await asyncio.to_thread(self._store.save_restarts, records)

    def _restarts_by_clock(self, records: Mapping[str, RestartRecord]) -> dict[str, RestartRecord]:
        offset = self._clock() - self._wall()
        moved = {pod: _moved(record, offset) for pod, record in records.items()}
        return {pod: record for pod, record in moved.items() if record is not None}

    def egress_happened(self, happening: EgressHappening) -> None:
        """Tell what left, or was not allowed to."""
        if self._control is not None:
            self._control.egress_happened(happening)

    def node_lost(self, reason: str) -> None:
        """Tell that the node ended; its pods are started again on the next."""
        self._node_loss = reason
        self._has_started = self._has_settled = False
        self._expected_plans = self._launch.deployment.plans + 1
        self.show_notice(f"{reason}; its pods are started again", failure=True)
        self.events.tell(f"{reason}; its pods are started again", NodeGone(reason))

    def progressed(self) -> None:
        """See whether the start is over."""
        deployment = self._launch.deployment
        if deployment.plans < self._expected_plans:
            return
        if self._foreground and not self._had_settled and deployment.failures:
            self._launch.fail(_failed(self._folder.name, deployment.failures))
            return
        if not (deployment.started and self._launch.published):
            return
        if not self._has_started:
            self._has_started = True
            self._progress.publish(Started(tuple(deployment.views), self._launch.portals))
        if not self._has_settled and deployment.settled:
            self._has_settled = True
            self._progress.publish(Settled(tuple(deployment.views), self._launch.portals))
            if self._control is not None:
                self._work.put_nowait(self._control.started())
            if not self._had_settled:
                self._had_settled = True
                self._screen.show_started(deployment.views, self._launch.portals)

    async def run_companion(self) -> None:
        """Do what is due when it is due."""
        await self._has_control.wait()
        await self.control.run()

    # --- what happens, as the screen of the launch ---

    def show_image(self, step: ImageProgress) -> None:
        """Show an image's preparation."""
        self._progress.publish(ImageAdvanced(step))
        self._screen.show_image(step)

    def show_pod(self, view: PodView) -> None:
        """Show a pod."""
        self._progress.publish(PodAdvanced(view))
        self._screen.show_pod(view)

    def drop_pod(self, pod: str) -> None:
        """Show that a pod is gone."""
        self._progress.publish(PodRemoved(pod))
        self._screen.drop_pod(pod)

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """Nothing to do: `progressed` says when the start is over."""

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """Show a pod's output."""
        self._screen.show_lines(lines, lost)

    def show_notice(self, text: str, *, failure: bool = False) -> None:
        """Show a remark to those who wait."""
        self._progress.publish(Noticed(text, failure))
        if not failure:
            self._screen.show_notice(text)


def _planned(steps: Sequence[Step], revision: int) -> StepsPlanned:
    return StepsPlanned(tuple(map(step_view, steps)), revision)


def _moved(record: RestartRecord | None, offset_s: float) -> RestartRecord | None:
    """A record with its time on another clock."""
    if record is None or record.due_at is None:
        return record
    return replace(record, due_at=record.due_at + offset_s)


def _failed(name: str, failures: Sequence[PodView]) -> DeploymentFailedError:
    return DeploymentFailedError(
        name, tuple((view.spec.name, view.state, view.reason) for view in failures)
    )
