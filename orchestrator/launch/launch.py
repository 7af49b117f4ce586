"""Keep one deployment as it is planned: drive the state machine of `lifecycle/`.

Owns the lives of the node, one after the other, the order of the first calls in each (networks,
portals, then everything else), the queue of events, and another plan's way to the core and the
node. Decides nothing about pods, and shows nothing itself: what happens is told to a `Screen` and
to a `Companion`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from orchestrator.backends.backend import BackendError
from orchestrator.codec import NodeLostError
from orchestrator.desired.reconcile import Observed, reconcile
from orchestrator.errors import OrchestratorError
from orchestrator.launch.fixtures import Fixtures, moving_networks
from orchestrator.launch.news import NodeNews
from orchestrator.launch.node_loss import find_cause
from orchestrator.launch.pod_calls import PodCalls
from orchestrator.launch.publishing import Publishing
from orchestrator.launch.tasks import NodeTasks
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import (
    BootPod,
    DropPod,
    FinishRollout,
    KeepRestarts,
    NetworksSwitched,
    NodeLost,
    Planned,
    PrepareImage,
    RemovePod,
    RollBack,
    ShowPod,
    ShowRollout,
    StopPod,
    SwitchNetworks,
    TimerFired,
)
from orchestrator.lifecycle.restart import RestartTimer
from orchestrator.topology.values import RestartMode, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.backends.backend import Backend
    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.steps import Step
    from orchestrator.launch.companion import Companion
    from orchestrator.launch.order import Order
    from orchestrator.lifecycle.events import Command, Event
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Screen
    from pod_node.status import OpenPortal


@dataclass(frozen=True, slots=True)
class _Node:
    """A node, all of whose pods are known."""

    client: Nodes
    tasks: NodeTasks
    publishing: Publishing
    calls: PodCalls


class Launch:
    """One deployment, from nothing to its end."""

    def __init__(
        self,
        backend: Backend,
        screen: Screen,
        companion: Companion,
        wall: Callable[[], float],
        *,
        records: Mapping[str, RestartRecord] | None = None,
        shows_logs: bool = True,
        ends_when_finished: bool = True,
    ) -> None:
        """Prepare to run.

        Args:
            backend: Where the node runs.
            screen: Where a person watches.
            companion: Who else has a part.
            wall: Tells the time, in seconds since the epoch.
            records: What is remembered of restarts; times are those of the loop's clock.
            shows_logs: Whether the screen takes lines.
            ends_when_finished: Whether the deployment ends when all pods have.
        """
        self._backend = backend
        self._screen = screen
        self._companion = companion
        self._wall = wall
        self._shows_logs = shows_logs
        self._ends = ends_when_finished
        self.deployment = Deployment(records)
        self._order: Order | None = None
        self._node: _Node | None = None
        self._fixtures = Fixtures(screen)
        self._events: asyncio.Queue[Event | OrchestratorError] = asyncio.Queue()
        self._reached = asyncio.Event()
        """Set once the first node's pods are known."""
        self._planning = asyncio.Lock()
        self._failure: OrchestratorError | None = None
        self._changed = asyncio.Event()

    @property
    def observed(self) -> Observed:
        """What there is now."""
        return Observed(
            networks=dict(self._fixtures.networks),
            images=self.deployment.images,
            pods=self.deployment.observed,
            portals=self.portals,
        )

    @property
    def portals(self) -> tuple[OpenPortal, ...]:
        """The open portals."""
        return tuple(self._fixtures.portals)

    @property
    def published(self) -> bool:
        """Whether names and portals lead to the pods that are ready now."""
        return self._node is not None and self._node.publishing.is_current

    async def run(self) -> list[PodView]:
        """Keep the deployment as it is planned until every pod has ended; return them as they did.

        Raises:
            BackendError: no node can be started.
            OrchestratorError: something else went wrong for good.
        """
        async with asyncio.TaskGroup() as group:
            companion = group.create_task(self._companion.run_companion(), name="companion")
            try:
                failure = await self._live_on()
            finally:
                companion.cancel()
        if failure is not None:
            raise failure
        return self.deployment.views

    async def plan(self, order: Order) -> list[Step]:
        """Make this the plan; return the steps that lead to it, which begin.

        Raises:
            OrchestratorError: the node refused a network or a portal; the plan before holds.
        """
        async with self._planning:
            before, self._order = self._order, order
            if self._node is None:
                return reconcile(order.desired, self.observed)
            try:
                return await self._enact(self._node, order)
            except NodeLostError:
                return reconcile(order.desired, self.observed)  # the next node gets it
            except OrchestratorError:
                self._order = before
                raise

    def fail(self, error: OrchestratorError) -> None:
        """End the deployment with an error, soon."""
        self._failure = error
        self._events.put_nowait(TimerFired())

    async def reached(self) -> None:
        """Wait until there has been a node and all its pods are known."""
        await self._reached.wait()

    async def wait_changed(self) -> None:
        """Wait until something has changed."""
        self._changed.clear()
        await self._changed.wait()

    # --- the lives of the node ---

    async def _live_on(self) -> OrchestratorError | None:
        back_off = RestartTimer(RestartPolicy(RestartMode.ALWAYS))
        loop = asyncio.get_running_loop()
        lives = 0
        while True:
            began = loop.time()
            try:
                async with self._backend.connect() as client:
                    lives += 1
                    failure = await self._live(client)
            except BackendError as died:
                if not lives:
                    return died
                failure = died
            if failure is None or not isinstance(failure, (NodeLostError, BackendError)):
                return failure
            self._lose_node(await find_cause(self._backend, failure))
            await asyncio.sleep(back_off.delay_s(1, loop.time() - began) or 0.0)

    def _lose_node(self, reason: str) -> None:
        self._fixtures.clear()
        while not self._events.empty():
            self._events.get_nowait()
        self._companion.node_lost(reason)
        self._feed(NodeLost(reason))

    async def _live(self, client: Nodes) -> OrchestratorError | None:
        """Live with one node until the deployment ends; return what went wrong."""
        self._companion.node_connected(client)
        error: OrchestratorError | None
        report = self._events.put_nowait
        async with asyncio.TaskGroup() as group:
            tasks = NodeTasks(group, self._screen, report)
            companion = self._companion
            news = NodeNews(
                *(client, tasks, self._screen, report),
                companion.egress_happened,
                companion.trouble_told,
            )
            tasks.spawn(news.follow_events(), "events")
            if self._shows_logs:
                news.follow_lines(self._wall())
            try:
                error = await self._begin(client, tasks, news) or await self._drive()
            except OrchestratorError as refused:
                error = refused
            finally:
                self._node = None
                self._companion.node_connected(None)
                tasks.cancel()
        return error

    async def _begin(
        self, client: Nodes, tasks: NodeTasks, news: NodeNews
    ) -> OrchestratorError | None:
        """Learn what the node has, and take up the plan; return what went wrong."""
        while not news.synced.is_set():
            event = await self._events.get()
            if isinstance(event, OrchestratorError):
                return event
            self._feed(event)
        async with self._planning:
            await self._fixtures.learn(client)
            publishing = Publishing(client, self.deployment, self._companion.progressed)
            tasks.spawn(publishing.run(), "publishing")
            calls = PodCalls(client, publishing, self._screen, self._events.put_nowait)
            self._node = _Node(client, tasks, publishing, calls)
            is_another, order = self._reached.is_set(), self._order
            self._reached.set()
            if order is not None:
                # Nobody waits for what the node before had already, and it ends nothing.
                lenient = order.lenient or is_another
                await self._enact(self._node, replace(order, lenient=lenient))
        return self._failure

    async def _drive(self) -> OrchestratorError | None:
        """Feed the core until the deployment ends; return what went wrong."""
        clock = asyncio.get_running_loop().time
        while not (self._ends and self.deployment.plans and self.deployment.finished):
            event = await self._next_event(clock)
            if isinstance(event, OrchestratorError):
                return event
            self._feed(event)
            if self._failure is not None:
                return self._failure
        return None

    async def _next_event(self, clock: Callable[[], float]) -> Event | OrchestratorError:
        if not self._events.empty():
            return self._events.get_nowait()
        due = self.deployment.poll_at()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - clock())):
                return await self._events.get()
        except TimeoutError:
            return TimerFired()

    # --- a plan ---

    async def _enact(self, node: _Node, order: Order) -> list[Step]:
        """Take the first steps to a plan, and give the rest to the core."""
        await self._backend.arrange(order.desired.plan)
        steps = reconcile(order.desired, self.observed)
        moving = moving_networks(steps)
        if not moving:
            await self._fixtures.attach(node.client, order)
            await self._companion.planned(order)
        await self._fixtures.open_portals(node.client, order, steps)
        self._companion.portals_opened(self._fixtures.portals)
        node.publishing.take(order.desired.plan, self._fixtures.portals, without=moving)
        self._feed(
            Planned(
                desired=order.desired,
                steps=steps,
                revision=order.revision,
                moving=moving,
                policies=order.policies,
                surges=order.surges,
                standing=order.standing,
                grace_s=order.grace_s,
            )
        )
        return steps

    async def _switch_networks(self) -> None:
        """Exchange the networks that nobody is on any more."""
        async with self._planning:
            node, order = self._node, self._order
            if node is None or order is None:
                return
            moving = self._fixtures.moving(order)
            await self._companion.planned(order, without=moving)
            await self._fixtures.exchange(node.client, order)
            await self._companion.planned(order)
            node.publishing.take(order.desired.plan, self._fixtures.portals)
            self._events.put_nowait(NetworksSwitched())

    # --- the core and its commands ---

    def _feed(self, event: Event) -> None:
        commands = self.deployment.handle(event, asyncio.get_running_loop().time())
        if self._node is not None:
            self._node.publishing.wake()
        if isinstance(event, NodeLost) and event.pods:
            self._companion.pods_displaced(event.pods)
        for command in commands:
            self._take(command)
        self._companion.progressed()
        self._changed.set()

    def _take(self, command: Command) -> None:
        match command:
            case ShowPod(view):
                self._companion.pod_changed(view)
                self._screen.show_pod(view)
            case DropPod(pod):
                self._companion.pod_removed(pod)
                self._screen.drop_pod(pod)
            case ShowRollout(rollout):
                self._companion.rollout_changed(rollout)
            case FinishRollout(service):
                self._companion.rollout_finished(service)
            case RollBack(service, reason):
                self._companion.rollout_failed(service, reason)
            case KeepRestarts(pod, record):
                self._companion.restarts_changed(pod, record)
            case PrepareImage() | BootPod() | StopPod() | RemovePod() | SwitchNetworks():
                if self._node is not None:
                    self._call(self._node, command)
            case _:
                assert_never(command)

    def _call(
        self, node: _Node, command: PrepareImage | BootPod | StopPod | RemovePod | SwitchNetworks
    ) -> None:
        """Have the node do something."""
        spawn, calls = node.tasks.spawn, node.calls
        match command:
            case PrepareImage(image):
                spawn(calls.prepare(image), f"image {image}")
            case BootPod(spec, after_names):
                spawn(calls.boot(spec, after_names=after_names), f"boot {spec.name}")
            case StopPod(pod, grace_s):
                spawn(calls.stop(pod, grace_s), f"stop {pod}")
            case RemovePod(pod):
                spawn(calls.remove(pod), f"remove {pod}")
            case SwitchNetworks():
                spawn(self._switch_networks(), "networks")
            case _:
                assert_never(command)
