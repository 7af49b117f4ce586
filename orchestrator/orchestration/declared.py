"""What is declared for one deployment, kept and made real in this order.

Owns the declaration, the topology and the plan that hold now, that one declaration is taken up
after the other, and that nothing is done that was not kept before. Plans are worked out by
`planning.py`, kept by `store.py`, made real by `launch/`. Who wants which declaration is not
known here.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cluster.guarding import guarded_address
from orchestrator.desired.declaration import Wanted
from orchestrator.desired.planning import NO_WISHES, Wishes, has_same_life, prepare
from orchestrator.desired.settings import changed_settings
from orchestrator.desired.steps import step_view
from orchestrator.errors import OrchestratorError
from orchestrator.launch.order import Order
from orchestrator.orchestration.control import Control
from orchestrator.orchestration.errors import NothingDeclaredError, TopologyRefusedError
from orchestrator.topology.loader import read_source
from orchestrator.topology.members import Roster
from orchestrator.topology.render import render_problems
from orchestrator.views.deployment import PlanTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.cluster.views import NodeState
    from orchestrator.desired.declaration import Declaration, NetworkMemory
    from orchestrator.desired.planning import Prepared
    from orchestrator.desired.steps import Step
    from orchestrator.events.log import EventLog
    from orchestrator.launch.launch import Launch
    from orchestrator.orchestration.milestones import Milestones
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.store.store import Store
    from orchestrator.topology.resolution import FindImage
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource


class Declared:
    """What is declared for one deployment."""

    def __init__(
        self,
        folder: DeploymentFolder,
        store: Store,
        saving: asyncio.Lock,
        launch: Launch,
        events: EventLog,
        milestones: Milestones,
        wall: Callable[[], float],
        find_image: FindImage,
    ) -> None:
        """Take up what was kept.

        Args:
            folder: The deployment's folder.
            store: Keeps the declaration.
            saving: Held while something is kept.
            launch: Makes it real.
            events: Take note of each plan.
            milestones: Are told of each plan.
            wall: Tells the time, in seconds since the epoch.
            find_image: Makes image references absolute.
        """
        self._folder = folder
        self._store = store
        self._saving = saving
        self._launch = launch
        self._events = events
        self._milestones = milestones
        self._wall = wall
        self._find_image = find_image
        self.declaration = store.load()
        """What holds now."""
        self.prepared: Prepared | None = None
        """The plan of that; None before the first."""
        self.network: Control | None = None
        """The network and single pods; None before the first plan."""
        self.deciding = asyncio.Lock()
        """Held from the look at what is declared to the declaration that follows from it."""
        self._topology: Topology | None = None
        self._has_control = asyncio.Event()

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self._folder.name

    @property
    def control(self) -> Control:
        """The network and single pods.

        Raises:
            NothingDeclaredError: there is nothing yet.
        """
        if self.network is None:
            raise NothingDeclaredError
        return self.network

    @property
    def topology(self) -> Topology:
        """The topology that holds now.

        Raises:
            NothingDeclaredError: there is none yet.
        """
        if self._topology is None:
            raise NothingDeclaredError
        return self._topology

    @property
    def roster(self) -> Roster:
        """The names of that topology."""
        return Roster(self.topology)

    @property
    def is_real(self) -> bool:
        """Whether any declaration has been made real by this orchestrator."""
        return self._has_control.is_set()

    async def wait(self) -> None:
        """Wait until something is declared."""
        await self._has_control.wait()

    async def read(self, source: TopologySource) -> Topology:
        """Check a topology that somebody sent.

        Raises:
            TopologyRefusedError: it has errors, or is for another deployment.
        """
        reading = await asyncio.to_thread(read_source, source, self._find_image)
        if reading.topology is None or reading.errors:
            raise TopologyRefusedError(render_problems(reading.errors))
        if reading.topology.name != self._folder.name:
            raise TopologyRefusedError(
                f'this is deployment "{self._folder.name}", and the topology is of '
                f'"{reading.topology.name}"'
            )
        return reading.topology

    async def restore(self) -> None:
        """Make real what another orchestrator kept.

        Raises:
            TopologyRefusedError: it cannot be read any more.
        """
        source = self.declaration.source
        assert source is not None, "something is declared"
        async with self.deciding:
            reading = await asyncio.to_thread(read_source, source, self._find_image)
            if reading.topology is None:
                raise TopologyRefusedError(render_problems(reading.errors))
            await self.declare(self.declaration, reading.topology, lenient=True)

    # --- from a declaration to a plan ---

    def prepare(self, declaration: Declaration, topology: Topology, wishes: Wishes) -> Prepared:
        """Work out what a declaration would mean now."""
        wishes = replace(wishes, settings=changed_settings(self._topology, topology))
        return prepare(declaration, topology, self._launch.observed, self._folder.path, wishes)

    async def declare(
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
        prepared = self.prepare(declaration, topology, wishes)
        before = self.declaration, self._topology, self.prepared
        await self.amend(lambda now: _beside(prepared.declaration, now))
        prepared = replace(prepared, declaration=self.declaration)
        self._folder.make_volumes(volume.folder for volume in prepared.plan.volumes)
        self._topology, self.prepared = topology, prepared
        if self.network is None:
            self.network = self._create_control(prepared)
        self._milestones.expect(self._launch.deployment.plans + 1)
        try:
            steps = await self._launch.plan(order_of(prepared, grace_s=grace_s, lenient=lenient))
        except OrchestratorError:
            _, self._topology, self.prepared = before
            await self.amend(lambda now: _beside(before[0], now))
            raise
        self._has_control.set()
        self._tell_plan(steps)
        return steps

    def _create_control(self, prepared: Prepared) -> Control:
        source = prepared.declaration.source
        assert source is not None, "something is declared"
        control = Control(
            prepared.topology, prepared.plan, source, self._events, self._wall, self._remember
        )
        control.shaping.guarded = guarded_address(self.declaration.listening)
        control.restore(prepared.declaration.network)
        return control

    def _tell_plan(self, steps: Sequence[Step]) -> None:
        if steps:
            views = tuple(map(step_view, steps))
            revision = self.declaration.revision
            text = f"revision {revision}: {len(views)} step{'s' * (len(views) > 1)}"
            self._events.tell(text, PlanTaken(views, revision))

    async def amend(self, change: Callable[[Declaration], Declaration]) -> None:
        """Keep a change of what is declared, which holds from here on.

        Changes come one after the other, and each is made to what the one before has left.

        Raises:
            StoreError: it cannot be kept; what was declared before still is.
        """
        async with self._saving:
            changed = change(self.declaration)
            if changed != self.declaration:
                await asyncio.to_thread(self._store.save, changed)
                self.declaration = changed

    async def mark_node(self, name: str, state: NodeState | None) -> None:
        """Keep what somebody wants of a node; None is nothing."""

        def change(now: Declaration) -> Declaration:
            others = {k: v for k, v in now.nodes.items() if k != name}
            return replace(now, nodes=others if state is None else {**others, name: state})

        await self.amend(change)

    async def forget_renewals(self, pods: Collection[str] | None = None) -> None:
        """Forget the renewals of pods that began anew all the same; None is all pods."""

        def change(now: Declaration) -> Declaration:
            return replace(
                now,
                renewals={
                    name: renewal
                    for name, renewal in now.renewals.items()
                    if pods is not None and name not in pods
                },
            )

        await self.amend(change)

    async def forget_done_renewals(self) -> None:
        """Forget the renewals of pods that have another life."""

        def change(now: Declaration) -> Declaration:
            there = self._launch.observed.pods
            left = {k: v for k, v in now.renewals.items() if has_same_life(there.get(k), v)}
            return replace(now, renewals=left)

        await self.amend(change)

    async def _remember(self, memory: NetworkMemory) -> None:
        def change(now: Declaration) -> Declaration:
            return replace(now, network=memory) if now.wanted is Wanted.UP else now

        await self.amend(change)


def _beside(declared: Declaration, now: Declaration) -> Declaration:
    """What was worked out a moment ago, with what else was kept meanwhile."""
    portals = replace(
        declared.portals,
        labels=now.portals.labels,
        shared_host_port=now.portals.shared_host_port,
    )
    return replace(
        declared,
        portals=portals,
        network=now.network,
        nodes=now.nodes,
        listening=now.listening,
    )


def order_of(prepared: Prepared, *, grace_s: float | None = None, lenient: bool = False) -> Order:
    """A plan as a launch takes it."""
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
