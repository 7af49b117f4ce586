"""A running deployment under control: whoever may, changes its network and acts on its pods.

Owns what is done at a time: the schedule, the ends of temporary changes, pods that are to be
resumed; and what is known for those who look. The network itself is `shaping.py`'s business, the
start and the restarts of pods are `launch.py`'s, how requests get here is `service.py`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.changes import PodAction, PodVerb
from orchestrator.codec import NodeLostError
from orchestrator.errors import OrchestratorError
from orchestrator.events import EventLog
from orchestrator.phases import PodView
from orchestrator.schedule import Schedule
from orchestrator.shaping import Shaping
from orchestrator.targets import ALIVE, RUNNING, TargetError, Targets
from orchestrator.views import DeploymentView, LinkAim, PodShown, Remarked, ServiceView
from orchestrator.wording import action_text, egress_text
from vnet.capture import CaptureWish, InterfacePlace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence

    from orchestrator.changes import Change, Impairment
    from orchestrator.codec import NodeClient
    from orchestrator.plan import Plan
    from orchestrator.topology.schema import Topology
    from orchestrator.views import CaptureOrder, PingStep
    from pod_node.status import OpenPortal
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.egress import EgressHappening
    from vnet.ping import PingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a topology came from."""

    path: str
    """Empty for standard input."""
    text: str


class Control:
    """One deployment, as long as it runs."""

    def __init__(
        self,
        topology: Topology,
        plan: Plan,
        source: Source,
        client: NodeClient,
        wall: Callable[[], float],
        notice: Callable[[str], None],
    ) -> None:
        """Take control; must be called while the event loop runs.

        Args:
            topology: What is declared.
            plan: What follows from it.
            source: Where it came from.
            client: The node.
            wall: Tells the time, in seconds since the epoch.
            notice: Takes lines for whoever watches `podnet up`.
        """
        self.client = client
        self.events = EventLog(wall, notice)
        self._topology = topology
        self._plan = plan
        self._source = source
        self._started_at_s = wall()
        self._clock = asyncio.get_running_loop().time
        self.shaping = Shaping(topology, plan, client, self.events, self._clock)
        self._targets = Targets(topology, plan)
        self._views = {pod.spec.name: PodView(spec=pod.spec) for pod in plan.pods}
        self._portals: tuple[OpenPortal, ...] = ()
        self._routers = {name for name, service in topology.services.items() if service.router}
        self._schedule: Schedule | None = None
        self._resumes: dict[str, float] = {}
        """When paused pods are to go on, by the loop's clock."""
        self._woken = asyncio.Event()

    async def begin(self) -> None:
        """Give the node the network, before the first pod."""
        await self.shaping.pods_up(())

    def pod_changed(self, view: PodView) -> None:
        """Take note of how a pod is now."""
        before = self._views[view.spec.name]
        self._views[view.spec.name] = view
        self.events.tell(f"{view.spec.name}: {view.state}", PodShown(view))
        if view.spec.service in self._routers and _forwards(before) is not _forwards(view):
            self._woken.set()

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """Take note of the portals."""
        self._portals = tuple(portals)

    def egress_happened(self, happening: EgressHappening) -> None:
        """Take note of what left, or was not allowed to."""
        self.events.tell(egress_text(happening), happening)

    def started(self) -> None:
        """Take note that the start is over; the schedule's time begins."""
        self._schedule = Schedule(self._topology, self._clock())
        self._woken.set()

    async def run(self) -> None:
        """Do what is due when it is due, until cancelled.

        Raises:
            NodeLostError: the node is gone.
        """
        while True:
            self._woken.clear()
            await self._advance()
            due = self._poll_at()
            try:
                async with asyncio.timeout_at(due):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def change(self, impairment: Impairment) -> tuple[str, ...]:
        """Change the network; name the links or faults concerned.

        Raises:
            OrchestratorError: the change makes no sense, or the node refused.
        """
        names = await self.shaping.change(impairment)
        self._woken.set()
        return names

    async def act(
        self, verb: PodVerb, names: Sequence[str], duration_s: float | None = None
    ) -> tuple[str, ...]:
        """Kill, pause or resume pods; name them.

        Args:
            verb: What to do.
            names: Services and pods.
            duration_s: After what time paused pods go on; None is never.

        Raises:
            OrchestratorError: there is nobody of a name, or nobody who could be acted on.
        """
        phases = ALIVE if verb is PodVerb.KILL else RUNNING
        pods = self._targets.pods(names, self._views, phases)
        call = {
            PodVerb.KILL: self.client.kill_pod,
            PodVerb.PAUSE: self.client.pause_pod,
            PodVerb.RESUME: self.client.resume_pod,
        }[verb]
        await _all([call(pod) for pod in pods])
        for pod in pods:
            self._resumes.pop(pod, None)
            if duration_s is not None:
                self._resumes[pod] = self._clock() + duration_s
        self.events.tell(action_text(verb, pods, duration_s), Remarked())
        self._woken.set()
        return pods

    async def ping(
        self, source: str, target: str, plan: PingPlan
    ) -> AsyncGenerator[PingStep, None]:
        """Say who asks whom, then what becomes of each request.

        Raises:
            OrchestratorError: there is nobody of a name, or the source does not run.
        """
        ends = self._targets.ping_ends(source, target, self._views)
        yield ends
        echoes = self.client.ping(ends.source_address, ends.target_address, plan)
        async with aclosing(echoes):
            async for echo in echoes:
                yield echo

    async def capture(self, order: CaptureOrder) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place.

        Raises:
            OrchestratorError: there is no such place.
        """
        wish = CaptureWish(
            place=self._place(order),
            filter=order.filter,
            snapshot_bytes=order.snapshot_bytes,
            count=order.count,
        )
        batches = self.client.capture(wish)
        async with aclosing(batches):
            async for batch in batches:
                yield batch

    def services(self) -> tuple[ServiceView, ...]:
        """Say what is declared of each service."""
        desired = Counter(pod.spec.service for pod in self._plan.pods)
        return tuple(
            ServiceView(
                name=name,
                desired_pods=desired[name],
                ports=tuple(port.target for port in section.ports),
            )
            for name, section in self._topology.services.items()
        )

    def describe(self) -> DeploymentView:
        """Say what runs."""
        return DeploymentView(
            name=self._plan.name,
            topology_path=self._source.path,
            topology_text=self._source.text,
            started_at_s=self._started_at_s,
            process_id=os.getpid(),
            pods=tuple(self._views.values()),
            portals=self._portals,
            configuration=self.shaping.configuration,
            faults=tuple(self.shaping.faults()),
            services=self.services(),
        )

    def _poll_at(self) -> float | None:
        schedule = None if self._schedule is None else self._schedule.poll_at()
        times = (self.shaping.poll_at(), schedule, *self._resumes.values())
        return min((time for time in times if time is not None), default=None)

    async def _advance(self) -> None:
        await self._trying(self.shaping.advance())
        up = [name for name, view in self._views.items() if _forwards(view)]
        await self._trying(self.shaping.pods_up(up))
        now = self._clock()
        over = [pod for pod, at in self._resumes.items() if at <= now]
        for pod in over:
            del self._resumes[pod]
            if self._views[pod].paused:
                await self._trying(self.act(PodVerb.RESUME, [pod]))
        for change in self._schedule.due(now) if self._schedule else ():
            await self._trying(self._make(change))

    async def _make(self, change: Change) -> object:
        if isinstance(change, PodAction):
            return await self.act(change.verb, change.pods, change.duration_s)
        return await self.change(change)

    async def _trying(self, work: Coroutine[None, None, object]) -> None:
        """Do what nobody waits for; a refusal is told, and the deployment goes on."""
        try:
            await work
        except NodeLostError:
            raise
        except OrchestratorError as error:
            self.events.tell(f"could not be done: {error}", Remarked(failure=True))

    def _place(self, order: CaptureOrder) -> CapturePlace:
        aim = order.aim
        if not isinstance(aim, LinkAim):
            return InterfacePlace(self._targets.interface(aim.pod, aim.network))
        place = self.shaping.place(aim)
        if place is None:
            raise TargetError(
                f"no link between {aim.first} and {aim.second} does anything now; capture at one "
                "of them, or give the link parameters first"
            )
        return place


async def _all(calls: Sequence[Awaitable[object]]) -> None:
    """Make calls at once; when some fail, the others are made all the same."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _forwards(view: PodView) -> bool:
    return view.phase in RUNNING and not view.paused
