"""Run one deployment on one node until it ends: the shell around `deploy.py`.

Owns the order of the first calls (networks, portals, then everything else), the tasks that bring
the node's events to the core and its commands to the node, and the upkeep of names and portals as
pods become ready. Decides nothing about pods, and shows nothing itself: what happens is told to a
`Screen`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.deploy import (
    Begun,
    BootFailed,
    BootPod,
    Deployment,
    ImageFailed,
    ImageProgressed,
    ImageReady,
    PrepareImage,
    ShowPod,
    TimerFired,
)
from orchestrator.errors import OrchestratorError
from orchestrator.phases import Phase
from orchestrator.reachable import portal_backends, reachable_names, ready_pods
from pod_node.progress import Phase as ImagePhase
from pod_node.status import (
    EventsLost,
    LogNotice,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
    Synced,
)
from vnet.egress import EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from orchestrator.codec import NodeClient
    from orchestrator.deploy import Event
    from orchestrator.phases import PodView
    from orchestrator.plan import Plan, PlannedPortal
    from orchestrator.reachable import Names
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent, OpenPortal, PortalBackend
    from vnet.egress import EgressHappening

LAST_LINES_S = 2.0
"""How long the end of a pod waits for its last lines; a slow reader may have lost their end."""
BOOTS_AT_ONCE = 8
"""Boot calls under way: enough to keep a node busy, few enough to hear its events in between."""
_IMAGE_PHASES = {ImagePhase.COMPILING: Phase.COMPILING, ImagePhase.READY: Phase.WAITING}


class DeploymentFailedError(OrchestratorError):
    """Pods could not start, or a pod that others wait for will never be ready."""

    def __init__(self, name: str, failures: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(name, failures)
        self.name, self.failures = name, failures

    def __str__(self) -> str:
        pods: dict[str, list[str]] = {}
        for pod, state, reason in self.failures:
            pods.setdefault(f"{state}: {reason}", []).append(pod)
        lines = "".join(f"\n  {', '.join(names)}: {what}" for what, names in pods.items())
        return f'deployment "{self.name}" could not start:{lines}'


class Screen(Protocol):
    """Where a person watches."""

    def show_image(self, step: Progress) -> None:
        """An image's preparation got on."""

    def show_pod(self, view: PodView) -> None:
        """A pod changed."""

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """The start is over."""

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """A pod wrote lines; `lost` chunks before them were dropped."""

    def show_notice(self, text: str) -> None:
        """Something else that a person should know."""


class Companion(Protocol):
    """Who else has a part in a deployment: its network, and those who control it as it runs."""

    async def begin(self) -> None:
        """The node has its networks and no pod yet."""

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """The portals are open."""

    def pod_changed(self, view: PodView) -> None:
        """A pod changed."""

    def egress_happened(self, happening: EgressHappening) -> None:
        """A pod tried to reach something outside, or is done with it."""

    def started(self) -> None:
        """The start is over."""

    async def run(self) -> None:
        """Do its own work as long as the deployment runs; cancelled at the end."""


@dataclass(slots=True)
class _OpenedPortal:
    planned: PlannedPortal
    opened: OpenPortal
    backends: tuple[PortalBackend, ...] = ()


class Launch:
    """One deployment, from nothing to its end."""

    def __init__(
        self,
        plan: Plan,
        client: NodeClient,
        screen: Screen,
        companion: Companion,
        wall: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._client = client
        self._screen = screen
        self._companion = companion
        self._wall = wall
        self._deployment = Deployment(plan.pods)
        self._events: asyncio.Queue[Event | OrchestratorError] = asyncio.Queue()
        self._boots = asyncio.Semaphore(BOOTS_AT_ONCE)
        self._told = {pod.spec.name: asyncio.Event() for pod in plan.pods}
        """Set when all that a pod wrote in a life was shown."""
        self._portals: list[_OpenedPortal] = []
        self._names: Names = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> list[PodView]:
        """Run the deployment until every pod has ended; return the pods as they ended.

        Raises:
            DeploymentFailedError: pods could not start.
            NodeLostError: the node is gone.
            OrchestratorError: the node refused something else.
        """
        await self._client.attach_networks(
            (network.name, network.subnet) for network in self._plan.networks
        )
        await self._companion.begin()
        await self._open_portals()
        error: OrchestratorError | None
        async with asyncio.TaskGroup() as group:
            self._spawn(group, self._follow_events(group), "events")
            self._spawn(group, self._follow_logs(self._wall()), "logs")
            self._spawn(group, self._companion.run(), "companion")
            try:
                error = await self._drive(group)
            except OrchestratorError as refused:
                error = refused
            for task in self._tasks:
                task.cancel()
        if error is not None:
            raise error
        return self._deployment.views

    async def _drive(self, group: asyncio.TaskGroup) -> OrchestratorError | None:
        """Feed the core until the deployment ends; return what went wrong."""
        clock = asyncio.get_running_loop().time
        started = False
        while not self._deployment.finished:
            event = await self._next_event(clock)
            if isinstance(event, OrchestratorError):
                return event
            await self._handle(group, event, clock())
            if failures := self._deployment.failures:
                return _failed(self._plan.name, failures)
            if not started and self._deployment.settled:
                started = True
                self._companion.started()
                portals = [portal.opened for portal in self._portals]
                self._screen.show_started(self._deployment.views, portals)
        return None

    async def _handle(self, group: asyncio.TaskGroup, event: Event, now: float) -> None:
        commands = self._deployment.handle(event, now)
        boots = any(isinstance(command, BootPod) for command in commands)
        if boots or self._events.empty():
            await self._publish()  # first, so that a pod finds those that it waited for
        for command in commands:
            match command:
                case PrepareImage(image):
                    self._spawn(group, self._prepare(image), f"image {image}")
                case BootPod(spec):
                    self._spawn(group, self._boot(spec), f"boot {spec.name}")
                case ShowPod(view):
                    self._companion.pod_changed(view)
                    self._screen.show_pod(view)
                case _:
                    assert_never(command)

    async def _next_event(self, clock: Callable[[], float]) -> Event | OrchestratorError:
        due = self._deployment.poll_at()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - clock())):
                return await self._events.get()
        except TimeoutError:
            return TimerFired()

    def _spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[None, None, None], name: str
    ) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(group.create_task(self._reporting(work), name=name))

    async def _reporting(self, work: Coroutine[None, None, None]) -> None:
        """Turn the end of a task by an error into an event; the deployment ends with it."""
        try:
            await work
        except OrchestratorError as error:
            self._events.put_nowait(error)

    async def _prepare(self, image: str) -> None:
        try:
            async with aclosing(self._client.prepare_image(image)) as steps:
                async for step in steps:
                    self._screen.show_image(step)
                    phase = _IMAGE_PHASES.get(step.phase, Phase.PULLING)
                    self._events.put_nowait(ImageProgressed(image, phase))
        except NodeRefusedError as error:
            self._events.put_nowait(ImageFailed(image, str(error)))
        else:
            self._events.put_nowait(ImageReady(image))

    async def _boot(self, spec: PodSpec) -> None:
        async with self._boots:
            try:
                await self._client.boot_pod(spec)
            except NodeRefusedError as error:
                self._events.put_nowait(BootFailed(spec.name, str(error)))

    async def _follow_events(self, group: asyncio.TaskGroup) -> None:
        async with aclosing(self._client.watch()) as events:
            async for event in events:
                self._on_event(group, event)
        raise NodeLostError("its events ended")

    def _on_event(self, group: asyncio.TaskGroup, event: NodeEvent) -> None:
        match event.happening:
            case Synced():
                self._events.put_nowait(Begun())
            case PodStateChanged() | PodHealthChanged() | PodPauseChanged() as change:
                self._events.put_nowait(change)
            case PodExited() as exited:
                self._spawn(group, self._hear_out(exited), f"last lines of {exited.pod}")
            case EgressAttempt() | EgressEnded() as happening:
                self._companion.egress_happened(happening)
            case LogNotice(pod=pod, message=message):
                self._screen.show_notice(f"{pod}: {message}")
            case EventsLost(count):
                raise NodeLostError(
                    f"{count} of its events were lost, because they were read too slowly"
                )
            case _:
                pass  # a pod that existed before: this node is ours alone and has none

    async def _hear_out(self, exited: PodExited) -> None:
        """Pass on an end after the pod's last lines, which come by another stream."""
        told = self._told[exited.pod]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LINES_S):
                await told.wait()
        told.clear()
        self._events.put_nowait(exited)

    async def _follow_logs(self, since_s: float) -> None:
        async with aclosing(self._client.logs(follow=True, since_s=since_s)) as chunks:
            async for lines, lost in chunks:
                if lines.lines or lost:
                    self._screen.show_lines(lines, lost)
                if not lines.lines:
                    self._told[lines.pod].set()

    async def _open_portals(self) -> None:
        for portal in self._plan.portals:
            opened = await self._client.open_portal(
                portal.service, portal.port, portal.host_port or 0, ()
            )
            self._portals.append(_OpenedPortal(portal, opened))
        self._companion.portals_opened([portal.opened for portal in self._portals])

    async def _publish(self) -> None:
        """Bring names and portals in line with the pods that are ready."""
        ready = ready_pods(self._deployment.views)
        for network, names in reachable_names(self._plan, ready).items():
            if self._names.get(network) != names:
                await self._client.publish_names(network, names)
                self._names[network] = names
        for portal in self._portals:
            backends = portal_backends(portal.planned, ready)
            if backends != portal.backends:
                await self._client.set_portal_backends(portal.opened.portal_id, backends)
                portal.backends = backends


def _failed(name: str, failures: Sequence[PodView]) -> DeploymentFailedError:
    return DeploymentFailedError(
        name, tuple((view.spec.name, view.state, view.reason) for view in failures)
    )
