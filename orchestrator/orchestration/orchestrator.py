"""The life of one deployment's orchestrator: it takes up what is declared, and ends it all.

Owns the tasks that make what is declared real, the order in which everything goes down, and the
error that the deployment ended with. What can be asked meanwhile is `requests.py`'s business.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cluster.views import NodeState
from orchestrator.desired.declaration import Wanted, at_end
from orchestrator.errors import OrchestratorError
from orchestrator.events.log import EventLog
from orchestrator.launch.launch import Launch
from orchestrator.orchestration.declared import Declared, order_of
from orchestrator.orchestration.following import Follower
from orchestrator.orchestration.milestones import Milestones
from orchestrator.orchestration.requests import Requests
from orchestrator.orchestration.restart_memory import RestartMemory
from orchestrator.store.store import StoreError
from orchestrator.views.deployment import PortalOrigin, PortalView, Remarked
from pod_node.fanout import Fanout

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from orchestrator.backends.backend import Backend
    from orchestrator.cluster.views import NodeView
    from orchestrator.desired.declaration import Declaration
    from orchestrator.desired.planning import Prepared
    from orchestrator.orchestration.control import Control
    from orchestrator.serving.access import ListenAddress
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.store.store import Store
    from orchestrator.topology.resolution import FindImage
    from orchestrator.views.deployment import DeploymentView
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Progress, Screen
    from pod_node.errors import PodNodeError
    from vnet.errors import VnetError

WAITING_PROGRESS = 16384
"""What may wait for a slow reader of progress: several for each of a thousand pods."""


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
        self._backend = backend
        self.events = EventLog(wall, screen.show_notice)
        self._progress: Fanout[Progress] = Fanout(WAITING_PROGRESS)
        milestones, saving = Milestones(), asyncio.Lock()
        self._restarts = RestartMemory(store, saving, wall)
        self._follower = Follower(
            self.events,
            self._progress,
            screen,
            milestones,
            self._restarts,
            ends_on_failure=foreground,
        )
        self._launch = Launch(
            backend,
            self._follower,
            self._follower,
            wall,
            records=self._restarts.load(),
            shows_logs=foreground,
            ends_when_finished=foreground,
        )
        self._declared = Declared(
            folder, store, saving, self._launch, self.events, milestones, wall, find_image
        )
        self._follower.follow(self._launch, self._declared)
        backend.mark(self._declared.declaration.nodes)
        self.requests = Requests(self._declared, self._launch, self._progress)
        """What can be asked of it."""
        before = self._declared.declaration
        self._address_before = before.listening if before.wanted is Wanted.UP else None
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
        return self._declared.control

    @property
    def was_ended(self) -> bool:
        """Whether somebody asked for the end."""
        return self._end_asked.is_set()

    @property
    def declaration(self) -> Declaration:
        """What is declared."""
        return self._declared.declaration

    async def declared(self) -> None:
        """Wait until something is declared."""
        await self._declared.wait()

    def describe(self) -> DeploymentView:
        """Say what runs."""
        view = self.control.describe()
        pods = {pod.spec.name: pod for pod in self._launch.deployment.views}
        return replace(
            view,
            pods=tuple(
                replace(
                    pods.get(pod.spec.name, pod),
                    machine=self._backend.owner(pod.spec.name) or pod.machine,
                )
                for pod in view.pods
            ),
            revision=self.declaration.revision,
            rollouts=tuple(self._launch.deployment.rollouts),
            node_process_id=self._backend.pid,
            node_loss=self._follower.node_loss,
        )

    async def listed_portals(self) -> list[PortalView]:
        """List the open portals with the pods behind them, and say where each comes from.

        Raises:
            NodeLostError: there is no node just now.
        """
        opened = self.declaration.portals.opened
        portals = await self.control.client.list_portals()
        return [
            PortalView(
                portal,
                PortalOrigin.OPENED
                if (portal.service, portal.port) in opened
                else PortalOrigin.TOPOLOGY,
            )
            for portal in portals
        ]

    # --- its nodes ---

    def nodes(self) -> list[NodeView]:
        """List the nodes."""
        return self._backend.nodes()

    async def cordon(self, name: str, *, cordoned: bool) -> None:
        """Have a node take no more pods, or take them again; that outlives this orchestrator.

        Raises:
            OrchestratorError: there is no such node, or it cannot be kept.
        """
        self._backend.cordon(name, cordoned=cordoned)
        await self._declared.mark_node(name, NodeState.CORDONED if cordoned else None)

    async def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Move all pods of a node elsewhere; name each that has left, and its new node.

        Raises:
            OrchestratorError: there is no such node, or no room elsewhere, or it cannot be kept.
        """
        self._backend.cordon(name, cordoned=True)
        await self._declared.mark_node(name, NodeState.DRAINED)
        async with aclosing(self._backend.drain(name)) as moved:
            async for pod, node in moved:
                yield pod, node

    # --- where it takes requests ---

    def address_to_serve(self, wanted: ListenAddress | None) -> ListenAddress | None:
        """Say where to take requests besides the control socket.

        Args:
            wanted: Where somebody wants it now; None leaves it to what there was.
        """
        return wanted or self._address_before

    async def keep_address(self, address: ListenAddress | None) -> None:
        """Have requests taken there by the next orchestrator, too, if this one is killed."""
        await self._declared.amend(lambda now: replace(now, listening=address))

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
            worker = group.create_task(self._follower.do_work(), name="work")
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

    async def restore(self) -> None:
        """Take up what was declared when another orchestrator ended, unless that is so."""
        declaration = self.declaration
        wanted = declaration.wanted is Wanted.UP and declaration.source is not None
        if wanted and not self._declared.is_real:
            await self._launch.reached()
            await self._declared.restore()

    # --- its end ---

    async def take_down(self, grace_s: float | None) -> AsyncGenerator[Progress, None]:
        """End everything."""
        with self._progress.subscribe() as subscription:
            await self._declare_end()
            self.end_soon(grace_s)
            async for progress in subscription:
                yield progress

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

    async def _stop_pods(self, grace_s: float | None) -> None:
        """End the pods, those first that others do not need; what is declared is their end."""
        await self._declare_end()
        prepared = self._declared.prepared
        if prepared is None:
            return
        stopped: set[str] = set()
        with suppress(TimeoutError, OrchestratorError):
            async with asyncio.timeout(None if grace_s is None else grace_s + 1.0):
                levels = reversed(prepared.plan.levels) if grace_s is None else [None]
                for level in levels:
                    pods = prepared.plan.pods
                    stopped |= {
                        p.spec.name for p in pods if level is None or p.spec.service in level
                    }
                    await self._stop_all(prepared, frozenset(stopped), grace_s)

    async def _declare_end(self) -> None:
        """Keep that nothing is to run; where there is no room to keep it, all ends all the same."""
        try:
            await self._declared.amend(at_end)
        except StoreError as error:
            self._follower.show_notice(f"{error}; everything is ended all the same", failure=True)
            self.events.tell(str(error), Remarked(failure=True))

    async def _stop_all(
        self, prepared: Prepared, stopped: frozenset[str], grace_s: float | None
    ) -> None:
        desired = replace(prepared.desired, stopped=stopped)
        await self._launch.plan(order_of(replace(prepared, desired=desired), grace_s=grace_s))
        deployment = self._launch.deployment
        while any(view.spec.name in stopped and view.phase.alive for view in deployment.views):
            await self._launch.wait_changed()

    async def _take_down(self) -> None:
        """End the node, and have nothing declared any more."""
        await self._backend.end()
        await self._declare_end()
        with suppress(StoreError):  # nobody asks for them before another topology is declared
            await self._restarts.forget()
        self._progress.close()
        self.events.close()
