"""What was done to a deployment's network while it runs: links changed, pods parted, packets held.

Owns the effect of changes on each other, and when temporary ones end. Pure: time is an argument, in
seconds on any clock. A change that makes no sense in the topology is refused and changes nothing.
Telling a node is the caller's business: whatever changed, `configuration` is what the network is
like now.
"""

from __future__ import annotations

from copy import copy
from itertools import count
from typing import TYPE_CHECKING, assert_never

from orchestrator.errors import OrchestratorError
from orchestrator.network.changes import Impairment, Mend, Part, ResetLink, ResetLinks, SetLink
from orchestrator.network.configuration import network_configuration
from orchestrator.network.faults import FaultState
from orchestrator.topology.forms import fault_name
from orchestrator.topology.link_table import LinkTable
from orchestrator.topology.links import LinkEnds, covering, declared_links
from orchestrator.topology.members import Roster
from orchestrator.topology.problems import quoted, suggestion
from vnet.configuration import FAULTS_MOST, FaultKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.desired.plan import Plan
    from orchestrator.topology.links import LinkState
    from orchestrator.topology.members import Member
    from orchestrator.topology.schema import Topology
    from vnet.configuration import NetworkConfiguration

_WORDS = {FaultKind.CUT: "partition", FaultKind.HOLD: "hold"}


class ImpairmentError(OrchestratorError):
    """A change of the network that makes no sense in this topology."""


class Impairments:
    """The network of one deployment, as it was declared and as it is now."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._roster = Roster(topology)
        self._links = LinkTable(declared_links(topology))
        self._faults: dict[str, FaultState] = {}

    def copy(self) -> Impairments:
        """The same network, to try a change on."""
        other = copy(self)
        other._links = self._links.copy()
        other._faults = dict(self._faults)
        return other

    def apply(self, impairment: Impairment, now_s: float) -> tuple[str, ...]:
        """Change the network.

        Args:
            impairment: What to change.
            now_s: The time, by which durations are counted.

        Returns:
            The names of the links or faults concerned; empty when there was nothing to do.

        Raises:
            OrchestratorError: The change makes no sense; the network is as it was.
        """
        match impairment:
            case SetLink():
                return self._set_link(impairment, now_s)
            case ResetLink():
                ends = self._ends(impairment.first, impairment.second, impairment.network)
                reset = self._links.reset(ends)
                return () if reset is None else (reset.name,)
            case ResetLinks():
                changed = [state.ends for state in self._links.states() if state.changed]
                return tuple(ends.name for ends in changed if self._links.reset(ends))
            case Part():
                return (self._part(impairment, now_s),)
            case Mend():
                return self._mend(impairment)
            case _:
                assert_never(impairment)

    def advance(self, now_s: float) -> tuple[str, ...]:
        """End what is over; return the names of the links and faults that changed."""
        ended = [
            state.name
            for state in self._faults.values()
            if state.until_s is not None and state.until_s <= now_s
        ]
        for name in ended:
            del self._faults[name]
        return (*(ends.name for ends in self._links.expire(now_s)), *ended)

    def poll_at(self) -> float | None:
        """When `advance` has something to do next."""
        times = [state.until_s for state in self._faults.values()]
        return min((t for t in (*times, self._links.poll_at()) if t is not None), default=None)

    def links(self) -> tuple[LinkState, ...]:
        """All links as they are now."""
        return self._links.states()

    def link(self, first: str, second: str, network: str | None = None) -> LinkState | None:
        """The link that holds between two services or pods, turned the same way around.

        Raises:
            OrchestratorError: There are no such two.
        """
        ends = self._ends(first, second, network)
        return self._links.find(ends) or covering(self._links.states(), ends)

    def changes(self, now_s: float) -> tuple[Impairment, ...]:
        """All that was changed and still holds, as changes that make it so again."""
        links = [
            SetLink(
                first=str(ends.first),
                second=str(ends.second),
                network=ends.network,
                change=change,
                direction=direction,
                duration_s=None if until_s is None else until_s - now_s,
            )
            for ends, change, direction, until_s in self._links.changes()
            if until_s is None or until_s > now_s
        ]
        faults = [
            Part(
                kind=state.kind,
                groups=state.groups,
                oneway=state.oneway,
                name=state.name,
                duration_s=None if state.until_s is None else state.until_s - now_s,
            )
            for state in self._faults.values()
            if state.until_s is None or state.until_s > now_s
        ]
        return (*links, *faults)

    def faults(self) -> tuple[FaultState, ...]:
        """All partitions and holds."""
        return tuple(self._faults.values())

    def configuration(self, plan: Plan, up: Collection[str]) -> NetworkConfiguration:
        """What the network is like now.

        Args:
            plan: Has the addresses.
            up: The pods that run; of those that are routers, these forward.
        """
        return network_configuration(self._topology, plan, up, self.links(), self.faults())

    def _set_link(self, wanted: SetLink, now_s: float) -> tuple[str, ...]:
        ends = self._ends(wanted.first, wanted.second, wanted.network)
        until_s = None if wanted.duration_s is None else now_s + wanted.duration_s
        return (self._links.change(ends, wanted.change, wanted.direction, until_s).name,)

    def _ends(self, first: str, second: str, network: str | None) -> LinkEnds:
        ends = self._roster.find(first), self._roster.find(second)
        both = f"{quoted(first)} and {quoted(second)}"
        if ends[0].overlaps(ends[1]):
            raise ImpairmentError(f"{both} are the same pods; name two different pods or services")
        shared = self._roster.shared_networks(*ends)
        if not shared:
            raise ImpairmentError(f"{both} share no network, so there is no link between them")
        if network is not None and network not in shared:
            hint = suggestion(network, shared, what="networks that they share")
            raise ImpairmentError(f"{both} are not both on network {quoted(network)}; {hint}")
        if network is None and len(shared) > 1:
            network = self._only_linked(ends, shared)
        return LinkEnds(*ends, network or shared[0])

    def _only_linked(self, ends: tuple[Member, Member], shared: tuple[str, ...]) -> str:
        """Of several networks, the one on which two members have a link."""
        links = self._links.states()
        linked = [name for name in shared if covering(links, LinkEnds(*ends, name))]
        if len(linked) != 1:
            both = f"{quoted(str(ends[0]))} and {quoted(str(ends[1]))}"
            raise ImpairmentError(f"{both} share several networks: {', '.join(shared)}; name one")
        return linked[0]

    def _part(self, wanted: Part, now_s: float) -> str:
        groups = tuple(tuple(map(self._roster.find, group)) for group in wanted.groups)
        _check_groups(groups, oneway=wanted.oneway)
        state = FaultState(
            name=self._new_name(wanted),
            kind=wanted.kind,
            groups=wanted.groups,
            pods=tuple(map(self._roster.pods, groups)),
            oneway=wanted.oneway,
            until_s=None if wanted.duration_s is None else now_s + wanted.duration_s,
        )
        active = sum(other.directed for other in self._faults.values())
        if active + state.directed > FAULTS_MOST:
            raise ImpairmentError(
                f"there would be more than {FAULTS_MOST} directions of partitions and holds; "
                "heal or release some first"
            )
        self._faults[state.name] = state
        return state.name

    def _new_name(self, wanted: Part) -> str:
        word = _WORDS[wanted.kind]
        if wanted.name is None:
            names = (f"{word}-{number}" for number in count(1))
            return next(name for name in names if name not in self._faults)
        try:
            name = fault_name(wanted.name)
        except ValueError as error:
            raise ImpairmentError(str(error)) from error
        if name in self._faults:
            raise ImpairmentError(f"there is a {word} {quoted(name)} already; choose another name")
        return name

    def _mend(self, wanted: Mend) -> tuple[str, ...]:
        names = [state.name for state in self._faults.values() if state.kind is wanted.kind]
        if wanted.name is not None:
            if wanted.name not in names:
                word = _WORDS[wanted.kind]
                hint = suggestion(wanted.name, names, what=f"{word}s")
                raise ImpairmentError(f"there is no {word} {quoted(wanted.name)}; {hint}")
            names = [wanted.name]
        for name in names:
            del self._faults[name]
        return tuple(names)


def _check_groups(groups: tuple[tuple[Member, ...], ...], *, oneway: bool) -> None:
    if len(groups) < 2 or not all(groups):
        raise ImpairmentError("two or more groups of pods can be parted, for example web | api")
    if oneway and len(groups) > 2:
        raise ImpairmentError("one way needs exactly two groups, from the first to the second")
    for index, group in enumerate(groups):
        for other in groups[index + 1 :]:
            for member in group:
                if twice := next((m for m in other if m.overlaps(member)), None):
                    raise ImpairmentError(
                        f"{quoted(str(twice))} and {quoted(str(member))} are in two groups and "
                        "have pods in common"
                    )
