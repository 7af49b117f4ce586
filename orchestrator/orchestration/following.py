"""What happens in a deployment, passed on to all whom it concerns.

Owns the answers to everything that a launch tells as it goes: events, progress, the screen, and
what follows for what is declared, done one after the other. Decides nothing about pods.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.desired.declaration import PortalMemory, Wanted, with_topology
from orchestrator.desired.planning import Wishes
from orchestrator.errors import OrchestratorError
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.orchestration.errors import could_not_start
from orchestrator.orchestration.milestones import Milestone
from orchestrator.views.deployment import NodeGone, Remarked, RolloutShown
from orchestrator.views.progress import (
    ImageAdvanced,
    Noticed,
    PodAdvanced,
    PodRemoved,
    RolloutAdvanced,
    Settled,
    Started,
)
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.declaration import Declaration
    from orchestrator.events.log import EventLog
    from orchestrator.launch.launch import Launch
    from orchestrator.launch.order import Order
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.orchestration.declared import Declared
    from orchestrator.orchestration.milestones import Milestones
    from orchestrator.orchestration.restart_memory import RestartMemory
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Progress, Screen
    from pod_node.fanout import Fanout
    from pod_node.progress import Progress as ImageProgress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal
    from vnet.egress import EgressHappening


class Follower:
    """Companion and screen of a launch."""

    _launch: Launch
    """Whom it follows; set by `follow` before anything happens."""
    _declared: Declared

    def __init__(
        self,
        events: EventLog,
        progress: Fanout[Progress],
        screen: Screen,
        milestones: Milestones,
        restarts: RestartMemory,
        *,
        ends_on_failure: bool,
    ) -> None:
        """Prepare to follow.

        Args:
            events: Take note of what happens.
            progress: Takes it for those who wait for a request.
            screen: Where a person watches.
            milestones: Know how far what was declared last has come.
            restarts: Remembers restarts.
            ends_on_failure: Whether the deployment ends when its pods cannot start at first.
        """
        self._events = events
        self._progress = progress
        self._screen = screen
        self._milestones = milestones
        self._restarts = restarts
        self._ends_on_failure = ends_on_failure
        self._work: asyncio.Queue[Callable[[], Awaitable[object]]] = asyncio.Queue()
        """What is left when the deployment ends is never begun."""
        self._node: Nodes | None = None
        self.node_loss = ""
        """How the last node ended that did so by itself."""

    def follow(self, launch: Launch, declared: Declared) -> None:
        """Follow a launch, which has not begun yet."""
        self._launch, self._declared = launch, declared

    async def do_work(self) -> None:
        """Do one after the other what follows from what happened."""
        while True:
            work = await self._work.get()
            try:
                await work()
            except (OrchestratorError, VnetError) as error:
                self._events.tell(str(error), Remarked(failure=True))

    # --- the node and its network ---

    def node_connected(self, client: Nodes | None) -> None:
        """Go on with a node."""
        self._node = client
        if client is None and self._declared.network is not None:
            self._declared.network.connect(None)

    def node_lost(self, reason: str) -> None:
        """Tell that the node ended; its pods are started again on the next."""
        self.node_loss = reason
        self._milestones.expect(self._launch.deployment.plans + 1)
        self.show_notice(f"{reason}; its pods are started again", failure=True)
        self._events.tell(f"{reason}; its pods are started again", NodeGone(reason))
        self.pods_displaced(None)

    def pods_displaced(self, pods: Collection[str] | None) -> None:
        """Take note that pods begin anew by themselves; None is all of them."""
        if self._declared.declaration.renewals:
            self._work.put_nowait(partial(self._declared.forget_renewals, pods))

    async def planned(self, order: Order, *, without: Collection[str] = ()) -> None:
        """Give the node the network of the plan, but for what is on some networks."""
        prepared, source = self._declared.prepared, self._declared.declaration.source
        if prepared is not None and source is not None:
            control = self._declared.control
            if self._node is not None:
                control.connect(self._node)
            await control.replan(prepared.topology, prepared.plan, source, without=without)

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """Take note of the portals, and remember their names."""
        self._declared.control.portals_opened(portals)
        labels = {(portal.service, portal.port): portal.label for portal in portals}
        shared = next((portal.host_port for portal in portals if not portal.pinned), 0)
        before = self._declared.declaration.portals
        memory = replace(before, labels=labels, shared_host_port=shared)
        if memory != before:
            self._work.put_nowait(partial(self._remember_portals, memory))

    async def _remember_portals(self, memory: PortalMemory) -> None:
        def change(now: Declaration) -> Declaration:
            portals = replace(
                now.portals, labels=memory.labels, shared_host_port=memory.shared_host_port
            )
            return replace(now, portals=portals) if now.wanted is Wanted.UP else now

        await self._declared.amend(change)

    def egress_happened(self, happening: EgressHappening) -> None:
        """Tell what left, or was not allowed to."""
        if self._declared.network is not None:
            self._declared.network.egress_happened(happening)

    def trouble_told(self, text: str) -> None:
        """Tell what pods have to do without."""
        self._progress.publish(Noticed(text, failure=False))
        self._events.tell(text, Remarked(failure=True))

    # --- pods ---

    def pod_changed(self, view: PodView) -> None:
        """Tell that a pod changed."""
        if self._declared.network is not None:
            self._declared.network.pod_changed(view)

    def pod_removed(self, pod: str) -> None:
        """Tell that a pod is gone for good."""
        if self._declared.network is not None:
            self._declared.network.pod_removed(pod)

    def restarts_changed(self, pod: str, record: RestartRecord | None) -> None:
        """Remember a pod's restarts, soon."""
        if self._restarts.take(pod, record):
            self._work.put_nowait(self._restarts.keep)

    # --- updates ---

    def rollout_changed(self, view: RolloutView) -> None:
        """Tell how an update gets on; one that came to a stand is remembered."""
        self._progress.publish(RolloutAdvanced(view))
        self._events.tell(str(view), RolloutShown(view))
        if view.state is RolloutState.PAUSED:
            self._work.put_nowait(partial(self._stand, view))

    async def _stand(self, view: RolloutView) -> None:
        def change(now: Declaration) -> Declaration:
            standing = {**now.standing, view.service: view.reason}
            return replace(now, standing=standing) if now.revision == view.revision else now

        await self._declared.amend(change)

    def rollout_finished(self, service: str) -> None:
        """Let go what a service borrowed for its update."""
        if service in self._declared.declaration.surges:
            self._milestones.hold_back()  # not before the borrowed pods have gone
            self._work.put_nowait(partial(self._give_back, service))

    async def _give_back(self, service: str) -> None:
        async with self._declared.deciding:
            declaration = self._declared.declaration
            surges = {k: v for k, v in declaration.surges.items() if k != service}
            declared = replace(declaration, surges=surges)
            await self._declared.declare(declared, self._declared.topology, lenient=True)

    def rollout_failed(self, service: str, reason: str) -> None:
        """Go back to the topology before."""
        self._milestones.hold_back()  # not before the topology before holds
        self._work.put_nowait(partial(self._roll_back, service, reason))

    async def _roll_back(self, service: str, reason: str) -> None:
        async with self._declared.deciding:
            previous = self._declared.declaration.previous
            if previous is None:
                text = f"{service}: there is no topology to go back to ({reason})"
                self._events.tell(text, Remarked(failure=True))
                self._milestones.go_on()
                self.progressed()
                return
            topology = await self._declared.read(previous)
            declared = with_topology(
                self._declared.declaration, previous, topology, rolled_back=True
            )
            text = f"{service}: going back to the topology before, because {reason}"
            self.show_notice(text, failure=True)
            self._events.tell(text, Remarked(failure=True))
            await self._declared.declare(declared, topology, Wishes(retried=True), lenient=True)

    # --- the start ---

    def progressed(self) -> None:
        """See whether the start is over."""
        launch, deployment = self._launch, self._launch.deployment
        if self._milestones.is_awaiting(deployment.plans):
            return
        if self._ends_on_failure and not self._milestones.had_settled and deployment.failures:
            launch.fail(could_not_start(self._declared.name, deployment.failures))
            return
        if not (deployment.started and launch.published):
            return
        for milestone in self._milestones.passed(settled=deployment.settled):
            match milestone:
                case Milestone.STARTED:
                    if self._declared.declaration.renewals:
                        self._work.put_nowait(self._declared.forget_done_renewals)
                    self._progress.publish(Started(tuple(deployment.views), launch.portals))
                case Milestone.SETTLED:
                    self._progress.publish(Settled(tuple(deployment.views), launch.portals))
                    if self._declared.network is not None:
                        self._work.put_nowait(self._declared.network.started)
                case Milestone.FIRST_SETTLED:
                    self._screen.show_started(deployment.views, launch.portals)

    async def run_companion(self) -> None:
        """Do what is due when it is due."""
        await self._declared.wait()
        await self._declared.control.run()

    # --- as the screen ---

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
