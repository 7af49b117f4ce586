"""The network of a running deployment as it is changed: in our books, on the node, for listeners.

Owns the order of these three. A change that the node refuses is not in the books either. What a
change means is worked out by `impairments.py`, which is pure.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import OrchestratorError
from orchestrator.events.wording import ended_text, fault_text, link_text
from orchestrator.network.changes import Part
from orchestrator.network.configuration import fitting, remaining
from orchestrator.network.impairments import ImpairmentError, Impairments
from orchestrator.topology.links import turned
from orchestrator.topology.values import LinkDirection
from orchestrator.views.deployment import (
    FaultBegun,
    FaultEnded,
    FaultView,
    LinkShown,
    LinkView,
    Remarked,
)
from vnet.capture import LinkPlace
from vnet.configuration import FAULTS_MOST, NetworkConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.plan import Plan
    from orchestrator.events.log import EventLog
    from orchestrator.network.changes import Impairment
    from orchestrator.network.faults import FaultState
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.schema import Topology
    from orchestrator.views.deployment import LinkAim
    from vnet.configuration import GuardedPorts

_Worked: TypeAlias = tuple[NetworkConfiguration, tuple[str, ...]]
"""A network as a node takes it, and the faults that some forwarded packets get past."""


@dataclass(frozen=True, slots=True)
class ShapingChange:
    """A change of the network: how it was, how it is, and what it concerns."""

    before: Impairments
    after: Impairments
    names: tuple[str, ...]


class Shaping:
    """Links and faults of one deployment; the node has them when a method has returned."""

    def __init__(
        self,
        topology: Topology,
        plan: Plan,
        events: EventLog,
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._client: Nodes | None = None
        self._events = events
        self._clock = clock
        self._impairments = Impairments(topology)
        self.last_change = ShapingChange(self._impairments, self._impairments, ())
        """What `change` did last."""
        self._up: frozenset[str] = frozenset()
        self._without: frozenset[str] = frozenset()
        self._basis: tuple[Impairments, Plan, frozenset[str]] | None = None
        """What the network was worked out from last; none of it is changed in place."""
        self._worked: _Worked = NetworkConfiguration(), ()
        self._applied: NetworkConfiguration | None = None
        self.guarded: tuple[GuardedPorts, ...] = ()
        """Where the orchestrator itself takes orders over the network, which pods never reach."""
        self._leaky: tuple[str, ...] = ()
        """Faults that some forwarded packets get past, because the node has room for no more."""
        self._lock = asyncio.Lock()

    @property
    def configuration(self) -> NetworkConfiguration:
        """What the network is to be like now."""
        return self._work_out(self._impairments)[0]

    def poll_at(self) -> float | None:
        """When a temporary change ends next."""
        return self._impairments.poll_at()

    def links(self) -> list[LinkView]:
        """All links as they are now."""
        return [_link_view(state, self._clock()) for state in self._impairments.links()]

    def link(self, first: str, second: str, network: str | None) -> LinkView | None:
        """The link that holds between two, turned the same way around.

        Raises:
            OrchestratorError: there are no such two.
        """
        state = self._impairments.link(first, second, network)
        return None if state is None else _link_view(state, self._clock())

    def place(self, aim: LinkAim) -> LinkPlace | None:
        """Find the link that holds between two where the node has it; None when it does nothing.

        Raises:
            OrchestratorError: there are no such two.
        """
        found = self._impairments.link(aim.first, aim.second, aim.network)
        effective = {link.name for link in self.configuration.links}
        for known in self._impairments.links():
            if found is None or known.ends.name not in effective:
                continue
            if found.ends in (known.ends, known.ends.reversed):
                turn = found.ends != known.ends
                direction = turned(aim.direction) if turn else aim.direction
                return LinkPlace(
                    link=known.ends.name,
                    forward=direction is not LinkDirection.BACKWARD,
                    backward=direction is not LinkDirection.FORWARD,
                )
        return None

    def faults(self) -> list[FaultView]:
        """All partitions and holds."""
        return [_fault_view(state, self._clock()) for state in self._impairments.faults()]

    def connect(self, client: Nodes | None) -> None:
        """Apply whatever comes to another node, which has nothing yet; None while there is none."""
        self._client, self._applied = client, None

    def changes(self) -> tuple[Impairment, ...]:
        """All that was changed and still holds, as changes that make it so again."""
        return self._impairments.changes(self._clock())

    async def replan(
        self,
        topology: Topology,
        plan: Plan,
        changes: Iterable[Impairment],
        *,
        without: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Have the network of another plan, and these changes on it.

        Args:
            topology: What is declared.
            plan: What follows from it.
            changes: Of the network.
            without: Networks that the node does not have now, until the next plan.

        Returns:
            What is wrong with changes that make no sense any more; they are gone.
        """
        async with self._lock:
            draft, now_s, refused = Impairments(topology), self._clock(), []
            for change in changes:
                try:
                    draft.apply(change, now_s)
                except OrchestratorError as error:
                    refused.append(str(error))
            names = {pod.spec.name for pod in plan.pods}
            self._plan, self._impairments = plan, draft
            self._up, self._without = self._up & names, frozenset(without)
            await self._apply(draft)
        return tuple(refused)

    async def pods_up(self, pods: Collection[str]) -> None:
        """Take note of the routers that run: they forward."""
        async with self._lock:
            up = frozenset(pods)
            if up != self._up:
                self._up = up
            await self._apply(self._impairments)

    async def change(self, impairment: Impairment) -> tuple[str, ...]:
        """Change the network; name the links or faults concerned.

        Raises:
            OrchestratorError: the change makes no sense, or the node refused; nothing has changed.
        """
        async with self._lock:
            draft, now_s = self._impairments.copy(), self._clock()
            names = draft.apply(impairment, now_s)
            if isinstance(impairment, Part):
                self._check_room(draft)
            await self._apply(draft)
            before, self._impairments = self._impairments, draft
            self.last_change = ShapingChange(before, draft, names)
        self._tell(before, names, now_s)
        return names

    async def take_back(self, made: ShapingChange) -> None:
        """Undo a change, unless another one has followed."""
        async with self._lock:
            if self._impairments is not made.after:
                return
            self._impairments = made.before
            await self._apply(made.before)
        self._tell(made.after, made.names, self._clock())

    async def advance(self) -> None:
        """End the changes whose time is over."""
        async with self._lock:
            draft, now_s = self._impairments.copy(), self._clock()
            names = draft.advance(now_s)
            if not names:
                return
            before, self._impairments = self._impairments, draft
            await self._apply(draft)
        self._tell(before, names, now_s)

    def _work_out(self, impairments: Impairments) -> _Worked:
        """Work out a network and what of it leaks, once for as long as nothing of it changes."""
        basis = impairments, self._plan, self._up
        if self._basis is None or any(a is not b for a, b in zip(basis, self._basis, strict=True)):
            self._worked = fitting(impairments.configuration(self._plan, self._up))
            self._basis = basis
        return self._worked

    async def _apply(self, impairments: Impairments) -> None:
        whole, leaky = self._work_out(impairments)
        configuration = replace(remaining(whole, self._without), guarded=self.guarded)
        if configuration != self._applied and self._client is not None:
            await self._client.configure_network(configuration)
            self._applied = configuration
        if leaky and leaky != self._leaky:
            self._events.tell(
                f"packets that routers forward may get past {', '.join(leaky)}: with what routers "
                f"forward there are more than {FAULTS_MOST} faults; heal or release some",
                Remarked(failure=True),
            )
        self._leaky = leaky

    def _check_room(self, draft: Impairments) -> None:
        """Refuse a fault that forwarded packets could get past.

        Raises:
            ImpairmentError: the node has no room for it.
        """
        _, leaky = self._work_out(draft)
        if not set(leaky) <= set(self._leaky):
            raise ImpairmentError(
                f"with what routers forward there would be more than {FAULTS_MOST} faults; heal or "
                "release some first, or name services instead of single pods"
            )

    def _tell(self, before: Impairments, names: Iterable[str], now_s: float) -> None:
        """Tell of links and faults that changed, as they are since then."""
        gone = {state.name: state for state in before.faults()}
        faults = {state.name: state for state in self._impairments.faults()}
        links = {state.ends.name: state for state in self._impairments.links()}
        for name in names:
            if name in faults:
                fault = _fault_view(faults[name], now_s)
                self._events.tell(fault_text(fault), FaultBegun(fault))
            elif name in gone:
                self._events.tell(ended_text(name, gone[name].kind), FaultEnded(name))
            elif name in links:
                link = _link_view(links[name], now_s)
                self._events.tell(link_text(link), LinkShown(link))
            else:
                self._events.tell(f"link {name}: removed, as the topology has none", Remarked())


def _link_view(state: LinkState, now_s: float) -> LinkView:
    return LinkView(
        name=state.ends.name,
        first=str(state.ends.first),
        second=str(state.ends.second),
        network=state.ends.network,
        forward=state.forward,
        backward=state.backward,
        declared=state.declared,
        changed=state.changed,
        remaining_s=_remaining(state.until_s, now_s),
    )


def _fault_view(state: FaultState, now_s: float) -> FaultView:
    return FaultView(
        name=state.name,
        kind=state.kind,
        sides=state.groups,
        oneway=state.oneway,
        remaining_s=_remaining(state.until_s, now_s),
    )


def _remaining(until_s: float | None, now_s: float) -> float | None:
    return None if until_s is None else max(0.0, until_s - now_s)
