"""A running deployment as it stands: its plan, its node, its pods as they were last seen.

Owns what is known for those who look, and what they look at: a description, pings, captures.
Changes nothing that runs.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.codec import NodeLostError
from orchestrator.events.wording import egress_text
from orchestrator.network.shaping import Shaping
from orchestrator.orchestration.targets import TargetError, Targets
from orchestrator.views.deployment import (
    DeploymentView,
    LinkAim,
    ServiceView,
)
from orchestrator.views.phases import PodView
from vnet.capture import CaptureWish, InterfacePlace

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Callable,
        Iterator,
        Sequence,
    )

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.plan import Plan
    from orchestrator.events.log import EventLog
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.deployment import CaptureOrder, PingStep
    from pod_node.status import OpenPortal
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.egress import EgressHappening
    from vnet.ping import PingPlan


class Standing:
    """One deployment, as long as it runs."""

    def __init__(
        self,
        topology: Topology,
        plan: Plan,
        source: TopologySource,
        events: EventLog,
        wall: Callable[[], float],
    ) -> None:
        """Begin to look; must be called while the event loop runs.

        Args:
            topology: What is declared.
            plan: What follows from it.
            source: Where it came from.
            events: Takes what happens.
            wall: Tells the time, in seconds since the epoch.
        """
        self.events = events
        self._client: Nodes | None = None
        self._exchanged = asyncio.Event()
        """Set when there is another node, or none; then there is another event."""
        self._wall = wall
        self._topology = topology
        self._plan = plan
        self._source = source
        self._started_at_s = wall()
        self._clock = asyncio.get_running_loop().time
        self.shaping = Shaping(topology, plan, self.events, self._clock)
        self._targets = Targets(topology, plan)
        self._views = {pod.spec.name: PodView(spec=pod.spec) for pod in plan.pods}
        self._portals: tuple[OpenPortal, ...] = ()

    @property
    def client(self) -> Nodes:
        """The node.

        Raises:
            NodeLostError: there is none just now.
        """
        if self._client is None:
            raise NodeLostError("there is none just now; it is started again")
        return self._client

    def connect(self, client: Nodes | None) -> None:
        """Go on with a node, whose networks are attached; None while there is none."""
        if client is not self._client:
            self._client = client
            self.shaping.connect(client)
            self._exchanged.set()
            self._exchanged = asyncio.Event()

    async def wait_for_node(self, lost: Nodes | None = None) -> Nodes:
        """Wait until there is a node, and another one than one that was lost."""
        while self._client is None or self._client is lost:
            await self._exchanged.wait()
        return self._client

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """Take note of the portals."""
        self._portals = tuple(portals)

    def egress_happened(self, happening: EgressHappening) -> None:
        """Take note of what left, or was not allowed to."""
        self.events.tell(egress_text(happening), happening)

    def find(self, names: Sequence[str]) -> tuple[str, ...]:
        """Name the pods that services and pods stand for; none stand for all.

        Raises:
            UnknownMemberError: there is nobody of a name.
        """
        return self._targets.named(names or tuple(self._topology.services))

    def one_pod(self, name: str) -> str:
        """Find the pod that a name means; a service means its first.

        Raises:
            OrchestratorError: there is nobody of that name.
        """
        return self._targets.one(name)

    def describe(self) -> DeploymentView:
        """Say what runs; revision, rollouts and the node are for others to add."""
        return DeploymentView(
            name=self._plan.name,
            topology_path=self._source.path,
            topology_text=self._source.text,
            started_at_s=self._started_at_s,
            process_id=os.getpid(),
            pods=tuple(self._ordered_views()),
            portals=self._portals,
            configuration=self.shaping.configuration,
            faults=tuple(self.shaping.faults()),
            services=self.services(),
        )

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

    def _ordered_views(self) -> Iterator[PodView]:
        planned = [pod.spec.name for pod in self._plan.pods]
        yield from (self._views[name] for name in planned)
        known = set(planned)
        yield from (view for name, view in self._views.items() if name not in known)

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
