"""Keep one deployment as it is planned: the shell around `lifecycle/`.

Owns the lives of the node, one after the other, the order of the first calls in each (networks,
portals, then everything else), the tasks that bring the node's events to the core and its commands
to the node, and another plan's way to both. Decides nothing about pods, and shows nothing itself:
what happens is told to a `Screen` and to a `Companion`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from orchestrator.backends.backend import NodeDiedError
from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.errors import OrchestratorError
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import (
    BootFailed,
    BootPod,
    DropPod,
    FinishRollout,
    ImageFailed,
    ImageProgressed,
    ImageReady,
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
from orchestrator.phases import Phase
from orchestrator.publishing import Publishing
from orchestrator.reconcile import Observed, reconcile
from orchestrator.steps import AttachNetwork, ClosePortal, DetachNetwork, OpenPortal
from orchestrator.topology.values import RestartMode, RestartPolicy
from pod_node.progress import Phase as ImagePhase
from pod_node.status import (
    EventsLost,
    LogNotice,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
    Synced,
)
from vnet.configuration import NetworkConfiguration
from vnet.egress import EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from ipaddress import IPv4Network

    from orchestrator.backends.backend import Backend
    from orchestrator.codec import NodeClient
    from orchestrator.declaration import PortalMemory
    from orchestrator.lifecycle.events import Command, Event
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.phases import PodView
    from orchestrator.progress import Screen
    from orchestrator.reconcile import Desired
    from orchestrator.steps import Step
    from orchestrator.topology.values import UpdatePolicy
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent
    from pod_node.status import OpenPortal as OpenedPortal
    from vnet.egress import EgressHappening

LAST_LINES_S = 2.0
"""How long the end of a pod waits for its last lines; a slow reader may have lost their end."""
LAST_WORDS_S = 2.0
"""How long to wait for the end of a node that stopped answering."""
BOOTS_AT_ONCE = 8
"""Boot calls under way: enough to keep a node busy, few enough to hear its events in between."""
_IMAGE_PHASES = {ImagePhase.COMPILING: Phase.COMPILING, ImagePhase.READY: Phase.WAITING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A plan, and all that belongs to it."""

    desired: Desired
    revision: int
    policies: Mapping[str, UpdatePolicy]
    surges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    standing: Mapping[str, str] = field(default_factory=dict)
    portals: PortalMemory
    grace_s: float | None = None
    lenient: bool = False
    """Whether a portal that cannot be opened is only remarked upon: nobody waits for the plan."""


class Companion(Protocol):
    """Who else has a part in a deployment: its network, and those who control it as it runs."""

    def node_connected(self, client: NodeClient | None) -> None:
        """There is a node, which has no network of ours yet; None when there is none any more."""

    async def planned(self, order: Order) -> None:
        """The node has the networks of a plan, and not all of its pods yet."""

    def portals_opened(self, portals: Sequence[OpenedPortal]) -> None:
        """These portals are open."""

    def pod_changed(self, view: PodView) -> None:
        """A pod changed."""

    def pod_removed(self, pod: str) -> None:
        """A pod is gone for good."""

    def rollout_changed(self, view: RolloutView) -> None:
        """A service's pods are being replaced."""

    def rollout_finished(self, service: str) -> None:
        """A service is up to date; what it borrowed can go."""

    def rollout_failed(self, service: str, reason: str) -> None:
        """The topology before is wanted."""

    def restarts_changed(self, pod: str, record: RestartRecord | None) -> None:
        """A pod's restarts are to be remembered."""

    def egress_happened(self, happening: EgressHappening) -> None:
        """A pod tried to reach something outside, or is done with it."""

    def node_lost(self, reason: str) -> None:
        """The node has ended by itself; there will be another one."""

    def progressed(self) -> None:
        """Something changed; the start may be over."""

    async def run_companion(self) -> None:
        """Do its own work as long as the deployment runs; cancelled at the end."""


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
        self.deployment = Deployment(records)
        self._order: Order | None = None
        self._client: NodeClient | None = None
        """The node, once all its pods are known."""
        self._networks: dict[str, IPv4Network] = {}
        self._portals: list[OpenedPortal] = []
        self._publishing: Publishing | None = None
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[Event | OrchestratorError] = asyncio.Queue()
        self._synced = asyncio.Event()
        self._reached = asyncio.Event()
        """Set once the first node's pods are known."""
        self._ends = ends_when_finished
        self._boots = asyncio.Semaphore(BOOTS_AT_ONCE)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Calls for one pod are made one after the other."""
        self._told: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Set when all that a pod wrote in a life was shown."""
        self._planning = asyncio.Lock()
        self._failure: OrchestratorError | None = None
        self._changed = asyncio.Event()

    @property
    def observed(self) -> Observed:
        """What there is now."""
        return Observed(
            networks=dict(self._networks),
            images=self.deployment.images,
            pods=self.deployment.observed,
            portals=tuple(self._portals),
        )

    @property
    def portals(self) -> tuple[OpenedPortal, ...]:
        """The open portals."""
        return tuple(self._portals)

    @property
    def published(self) -> bool:
        """Whether names and portals lead to the pods that are ready now."""
        return self._publishing is not None and self._publishing.is_current

    async def run(self) -> list[PodView]:
        """Keep the deployment as it is planned until every pod has ended; return them as they did.

        Raises:
            NodeDiedError: no node can be started.
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
            if self._client is None:
                return reconcile(order.desired, self.observed)
            try:
                return await self._enact(self._client, order)
            except NodeLostError:
                return reconcile(order.desired, self.observed)  # the next node gets it
            except OrchestratorError:
                self._order = before
                raise

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
            except NodeDiedError as died:
                if not lives:
                    return died
                failure = died
            if failure is None or not isinstance(failure, (NodeLostError, NodeDiedError)):
                return failure
            reason = await self._death(failure)
            self._lose_node(reason)
            await asyncio.sleep(back_off.delay_s(1, loop.time() - began) or 0.0)

    async def _death(self, lost: NodeLostError | NodeDiedError) -> str:
        """Find out why the node does not answer; one that lives after all is ended."""
        if isinstance(lost, NodeDiedError):
            return lost.summary
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                return (await self._backend.death()).summary
        except TimeoutError:
            await self._backend.end()
            return f"node lost (it did not answer any more: {lost})"

    def _lose_node(self, reason: str) -> None:
        self._networks.clear()
        self._portals.clear()
        while not self._events.empty():
            self._events.get_nowait()
        self._companion.node_lost(reason)
        self._feed(NodeLost(reason))

    async def _live(self, client: NodeClient) -> OrchestratorError | None:
        """Live with one node until the deployment ends; return what went wrong."""
        self._synced = asyncio.Event()
        self._companion.node_connected(client)
        error: OrchestratorError | None
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._spawn(self._follow_events(client), "events")
            if self._shows_logs:
                self._spawn(self._follow_logs(client, self._wall()), "logs")
            try:
                error = await self._begin(client) or await self._drive()
            except OrchestratorError as refused:
                error = refused
            finally:
                self._client, self._publishing, self._group = None, None, None
                self._companion.node_connected(None)
                for task in self._tasks:
                    task.cancel()
        return error

    async def _begin(self, client: NodeClient) -> OrchestratorError | None:
        """Learn what the node has, and take up the plan; return what went wrong."""
        while not self._synced.is_set():
            event = await self._events.get()
            if isinstance(event, OrchestratorError):
                return event
            self._feed(event)
        async with self._planning:
            self._portals = await client.list_portals()
            self._networks = await client.list_networks()
            self._publishing = Publishing(client, self.deployment, self._companion.progressed)
            self._spawn(self._publishing.run(), "publishing")
            self._client = client
            self._reached.set()
            if self._order is not None:
                await self._enact(client, self._order)
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

    async def _enact(self, client: NodeClient, order: Order) -> list[Step]:
        """Take the first steps to a plan, and give the rest to the core."""
        steps = reconcile(order.desired, self.observed)
        moving: frozenset[str] = frozenset()
        if any(isinstance(step, DetachNetwork) for step in steps):
            moving = frozenset(
                step.name if isinstance(step, DetachNetwork) else step.network.name
                for step in steps
                if isinstance(step, (DetachNetwork, AttachNetwork))
            )
        else:
            await self._attach(client, order)
            await self._companion.planned(order)
        await self._open_portals(client, order, steps)
        if self._publishing is not None:
            self._publishing.take(order.desired.plan, self._portals, without=moving)
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

    async def _attach(self, client: NodeClient, order: Order) -> None:
        networks = {network.name: network.subnet for network in order.desired.plan.networks}
        await client.attach_networks(networks.items())
        self._networks |= networks

    async def _open_portals(self, client: NodeClient, order: Order, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, ClosePortal):
                await client.close_portal(step.portal_id)
                self._portals = [p for p in self._portals if p.portal_id != step.portal_id]
        for step in steps:
            if isinstance(step, OpenPortal):
                try:
                    self._portals.append(await self._open_portal(client, order, step))
                except NodeRefusedError as refused:
                    if not order.lenient:
                        raise
                    self._screen.show_notice(str(refused))
        self._companion.portals_opened(self._portals)

    async def _open_portal(
        self, client: NodeClient, order: Order, step: OpenPortal
    ) -> OpenedPortal:
        portal, memory = step.portal, order.portals
        return await client.open_portal(
            portal.service,
            portal.port,
            portal.host_port or 0,
            (),
            label=memory.labels.get((portal.service, portal.port), ""),
            shared_host_port=memory.shared_host_port,
        )

    async def _switch_networks(self) -> None:
        """Exchange networks: first all that go, so that ranges can change hands."""
        async with self._planning:
            client, order = self._client, self._order
            if client is None or order is None:
                return
            wanted = {network.name: network.subnet for network in order.desired.plan.networks}
            gone = [name for name, subnet in self._networks.items() if wanted.get(name) != subnet]
            await client.configure_network(NetworkConfiguration())
            await client.detach_networks(gone)
            for name in gone:
                del self._networks[name]
            await self._attach(client, order)
            await self._companion.planned(order)
            if self._publishing is not None:
                self._publishing.take(order.desired.plan, self._portals)
            self._events.put_nowait(NetworksSwitched())

    # --- the core and its commands ---

    def _feed(self, event: Event) -> None:
        commands = self.deployment.handle(event, asyncio.get_running_loop().time())
        if self._publishing is not None:
            self._publishing.wake()
        for command in commands:
            self._take(command)
        self._companion.progressed()
        self._changed.set()

    def _take(self, command: Command) -> None:
        match command:
            case PrepareImage(image):
                self._spawn_with(lambda client: self._prepare(client, image), f"image {image}")
            case BootPod(spec, after_names):
                self._spawn_with(
                    lambda client: self._boot(client, spec, after_names=after_names),
                    f"boot {spec.name}",
                )
            case StopPod(pod, grace_s):
                self._spawn_with(lambda client: self._stop(client, pod, grace_s), f"stop {pod}")
            case RemovePod(pod):
                self._spawn_with(lambda client: self._remove(client, pod), f"remove {pod}")
            case SwitchNetworks():
                self._spawn_with(lambda client: self._switch_networks(), "networks")
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
            case _:
                assert_never(command)

    def _spawn_with(
        self, work: Callable[[NodeClient], Coroutine[None, None, None]], name: str
    ) -> None:
        if self._client is not None:
            self._spawn(work(self._client), name)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        assert self._group is not None, "there is a node"
        task = self._group.create_task(self._reporting(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reporting(self, work: Coroutine[None, None, None]) -> None:
        """Turn the end of a task by an error into an event."""
        try:
            await work
        except NodeRefusedError as refused:
            self._screen.show_notice(f"could not be done: {refused}")
        except OrchestratorError as error:
            self._events.put_nowait(error)

    def fail(self, error: OrchestratorError) -> None:
        """End the deployment with an error, soon."""
        self._failure = error
        self._events.put_nowait(TimerFired())

    async def _prepare(self, client: NodeClient, image: str) -> None:
        try:
            async with aclosing(client.prepare_image(image)) as steps:
                async for step in steps:
                    self._screen.show_image(step)
                    phase = _IMAGE_PHASES.get(step.phase, Phase.PULLING)
                    self._events.put_nowait(ImageProgressed(image, phase))
        except NodeRefusedError as error:
            self._events.put_nowait(ImageFailed(image, str(error)))
        else:
            self._events.put_nowait(ImageReady(image))

    async def _boot(self, client: NodeClient, spec: PodSpec, *, after_names: bool) -> None:
        async with self._turns[spec.name]:
            if after_names and self._publishing is not None:
                await self._publishing.caught_up()  # so that it finds those that it waited for
            async with self._boots:
                try:
                    await client.boot_pod(spec)
                except NodeRefusedError as error:
                    self._events.put_nowait(BootFailed(spec.name, str(error)))

    async def _stop(self, client: NodeClient, pod: str, grace_s: float) -> None:
        async with self._turns[pod]:
            with suppress(NodeRefusedError):  # it was never booted; that was told already
                await client.stop_pod(pod, grace_s)
            if self._publishing is not None:
                self._publishing.forget_backends()  # the node took it from its portals

    async def _remove(self, client: NodeClient, pod: str) -> None:
        async with self._turns[pod]:
            with suppress(NodeRefusedError):
                await client.remove_pod(pod)

    # --- what the node tells ---

    async def _follow_events(self, client: NodeClient) -> None:
        while True:
            async with aclosing(client.watch()) as events:
                async for event in events:
                    if isinstance(event.happening, EventsLost):
                        lost = event.happening.count
                        notice = f"{lost} of the node's events were lost; all pods are looked at"
                        self._screen.show_notice(notice)
                        break
                    self._on_event(event)
                else:
                    raise NodeLostError("its events ended")

    def _on_event(self, event: NodeEvent) -> None:
        match event.happening:
            case Synced():
                self._synced.set()
                self._events.put_nowait(TimerFired())
            case PodExisting() as existing:
                self._events.put_nowait(existing)
            case PodStateChanged() | PodHealthChanged() | PodPauseChanged() as change:
                self._events.put_nowait(change)
            case PodExited() as exited:
                self._spawn(self._hear_out(exited), f"last lines of {exited.pod}")
            case EgressAttempt() | EgressEnded() as happening:
                self._companion.egress_happened(happening)
            case LogNotice(pod=pod, message=message):
                self._screen.show_notice(f"{pod}: {message}")
            case EventsLost():
                raise AssertionError("its follower watches anew")
            case _:
                assert_never(event.happening)

    async def _hear_out(self, exited: PodExited) -> None:
        """Pass on an end after the pod's last lines, which come by another stream."""
        if self._shows_logs:
            told = self._told[exited.pod]
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_LINES_S):
                    await told.wait()
            told.clear()
        self._events.put_nowait(exited)

    async def _follow_logs(self, client: NodeClient, since_s: float) -> None:
        async with aclosing(client.logs(follow=True, since_s=since_s)) as chunks:
            async for lines, lost in chunks:
                if lines.lines or lost:
                    self._screen.show_lines(lines, lost)
                if not lines.lines:
                    self._told[lines.pod].set()
