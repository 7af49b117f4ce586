"""A running deployment under control: whoever may, changes its network and acts on its pods.

Owns what is done at a time: the schedule, the ends of temporary changes, pods that are to be
resumed. What is known is `standing.py`'s business, the network itself `network/`'s, the start and
the restarts of pods are `launch/`'s, how requests get here is `service.py`'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.codec import NodeLostError
from orchestrator.codec.changes import impairment_from_text, impairment_to_text
from orchestrator.desired.declaration import NetworkMemory
from orchestrator.errors import OrchestratorError
from orchestrator.events.wording import action_text, signal_text
from orchestrator.network.changes import PodAction, PodVerb
from orchestrator.network.schedule import Schedule
from orchestrator.orchestration.targets import ALIVE, RUNNING, Targets
from orchestrator.views.deployment import (
    PodDropped,
    PodShown,
    Remarked,
)
from orchestrator.views.phases import PodView

if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Callable,
        Collection,
        Coroutine,
        Sequence,
    )

    from orchestrator.desired.plan import Plan
    from orchestrator.events.log import EventLog
    from orchestrator.network.changes import Change, Impairment, Part
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.deployment import FaultView
from orchestrator.orchestration.standing import Standing


class Control(Standing):
    """One deployment, as long as it runs, and what is done to it."""

    def __init__(
        self,
        topology: Topology,
        plan: Plan,
        source: TopologySource,
        events: EventLog,
        wall: Callable[[], float],
        remember: Callable[[NetworkMemory], Awaitable[None]],
    ) -> None:
        """Take control; must be called while the event loop runs.

        Args:
            topology: What is declared.
            plan: What follows from it.
            source: Where it came from.
            events: Takes what happens.
            wall: Tells the time, in seconds since the epoch.
            remember: Keeps what was done at run time.
        """
        super().__init__(topology, plan, source, events, wall)
        self._remember = remember
        self._routers = {name for name, service in topology.services.items() if service.router}
        self._schedule: Schedule | None = None
        self._restored: NetworkMemory | None = None
        self._resumes: dict[str, float] = {}
        """When paused pods are to go on, by the loop's clock."""
        self._woken = asyncio.Event()

    @property
    def memory(self) -> NetworkMemory:
        """What was done at run time, to be remembered."""
        offset, now_s = self._wall() - self._clock(), self._clock()
        began_s = None if self._schedule is None else self._schedule.start_s + offset
        return NetworkMemory(
            changes=tuple(
                (impairment_to_text(change), _ends_at(change, now_s + offset))
                for change in self.shaping.changes()
            ),
            resumes={pod: at + offset for pod, at in self._resumes.items()},
            schedule_began_s=began_s,
            schedule_done=0 if self._schedule is None else self._schedule.done,
        )

    def restore(self, memory: NetworkMemory) -> None:
        """Have what was done at run time, before another orchestrator ended, done again."""
        offset = self._wall() - self._clock()
        self._restored = memory
        self._resumes = {pod: at - offset for pod, at in memory.resumes.items()}
        if memory.schedule_began_s is not None:
            began_s = memory.schedule_began_s - offset
            self._schedule = Schedule(self._topology, began_s, memory.schedule_done)

    async def replan(
        self,
        topology: Topology,
        plan: Plan,
        source: TopologySource,
        *,
        without: Collection[str] = (),
    ) -> None:
        """Take up another plan; what was changed at run time stays changed.

        Args:
            topology: What is declared.
            plan: What follows from it.
            source: Where it came from.
            without: Networks that the node does not have now.

        Raises:
            OrchestratorError: the node refused its network.
        """
        if topology.schedule != self._topology.schedule:
            self._schedule = None
        self._topology, self._plan, self._source = topology, plan, source
        self._targets = Targets(topology, plan)
        planned = {pod.spec.name: PodView(spec=pod.spec) for pod in plan.pods}
        self._views = planned | self._views
        self._routers = {name for name, service in topology.services.items() if service.router}
        changes, self._restored = self._changes(), None
        for refused in await self.shaping.replan(topology, plan, changes, without=without):
            self.events.tell(f"a change of the network is gone: {refused}", Remarked())
        self._woken.set()

    def _changes(self) -> Sequence[Impairment]:
        if self._restored is None:
            return self.shaping.changes()
        now_s = self._wall()
        kept = [(text, until) for text, until in self._restored.changes]
        return [
            impairment_from_text(text, None if until is None else until - now_s)
            for text, until in kept
            if until is None or until > now_s
        ]

    def pod_changed(self, view: PodView) -> None:
        """Take note of how a pod is now."""
        before = self._views.get(view.spec.name, view)
        self._views[view.spec.name] = view
        self.events.tell(f"{view.spec.name}: {view.state}", PodShown(view))
        if view.spec.service in self._routers and _forwards(before) is not _forwards(view):
            self._woken.set()

    def pod_removed(self, pod: str) -> None:
        """Forget a pod."""
        self._views.pop(pod, None)
        self.events.tell(f"{pod}: removed", PodDropped(pod))
        self._woken.set()

    async def started(self) -> None:
        """Take note that the start is over; the schedule's time begins."""
        if self._schedule is None:
            self._schedule = Schedule(self._topology, self._clock())
            self._woken.set()
            await self._keep()

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
            OrchestratorError: the change makes no sense, or the node refused, or it cannot be kept;
                nothing has changed.
        """
        names = await self.shaping.change(impairment)
        await self._keep_change()
        return names

    async def part(self, wanted: Part) -> FaultView:
        """Begin a partition or a hold; say what it is like.

        Raises:
            OrchestratorError: it makes no sense, or the node refused, or it cannot be kept; nothing
                has changed.
        """
        (name,) = await self.shaping.change(wanted)
        # Before anything is waited for: it may be a short one.
        view = next(fault for fault in self.shaping.faults() if fault.name == name)
        await self._keep_change()
        return view

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
        if verb is not PodVerb.KILL:
            await self._keep()
        return pods

    async def signal(self, names: Sequence[str], number: int) -> tuple[str, ...]:
        """Send the main processes of pods a signal; name the pods.

        Raises:
            OrchestratorError: there is nobody of a name, nobody runs, or pods have no such signal.
        """
        pods = self._targets.pods(names, self._views, ALIVE)
        await _all([self.client.signal_pod(pod, number) for pod in pods])
        self.events.tell(signal_text(number, pods), Remarked())
        return pods

    async def _keep_change(self) -> None:
        """Keep the change of the network that was made a moment ago, or undo it."""
        self._woken.set()
        made = self.shaping.last_change
        try:
            await self._keep()
        except OrchestratorError:
            await self.shaping.take_back(made)
            raise

    async def _keep(self) -> None:
        await self._remember(self.memory)

    def _poll_at(self) -> float | None:
        schedule = None if self._schedule is None else self._schedule.poll_at()
        times = (self.shaping.poll_at(), schedule, *self._resumes.values())
        return min((time for time in times if time is not None), default=None)

    async def _advance(self) -> None:
        await self._trying(self.shaping.advance())
        routers = [view for view in self._views.values() if view.spec.service in self._routers]
        up = [view.spec.name for view in routers if _forwards(view)]
        await self._trying(self.shaping.pods_up(up))
        now = self._clock()
        over = [pod for pod, at in self._resumes.items() if at <= now]
        for pod in over:
            del self._resumes[pod]
            if self._views[pod].paused:
                await self._trying(self.act(PodVerb.RESUME, [pod]))
        changes = self._schedule.due(now) if self._schedule else ()
        for change in changes:
            await self._trying(self._make(change))
        if changes or over:
            await self._trying(self._keep())

    async def _make(self, change: Change) -> object:
        if isinstance(change, PodAction):
            return await self.act(change.verb, change.pods, change.duration_s)
        return await self.shaping.change(change)

    async def _trying(self, work: Coroutine[None, None, object]) -> None:
        """Do what nobody waits for; a refusal is told, and the deployment goes on."""
        try:
            await work
        except NodeLostError:
            return  # the next node gets all that holds then
        except OrchestratorError as error:
            self.events.tell(f"could not be done: {error}", Remarked(failure=True))


async def _all(calls: Sequence[Awaitable[object]]) -> None:
    """Make calls at once; when some fail, the others are made all the same."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _ends_at(change: Impairment, now_s: float) -> float | None:
    duration_s = getattr(change, "duration_s", None)
    return None if duration_s is None else now_s + duration_s


def _forwards(view: PodView) -> bool:
    return view.phase in RUNNING and not view.paused
