"""Ways through the virtual network: over the links of one network, and over routers to others.

Owns the choice of a way for every pair of groups: the smallest delay, of equals the fewest routers,
of equals the first router by name; so one router of several forwards and the others stand by. Pure.

Most groups have no links of their own to routers, and then one way is as good as another's. So a
way is looked for once for each two *classes* of groups rather than for each two groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from orchestrator.topology.link_change import TRANSPARENT
from vnet.configuration import HOPS_MOST, Hop, Link, LinkParameters, Route

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import networkx as nx

    from orchestrator.network.groups import Unit
    from orchestrator.topology.links import LinkState

_NANOSECOND_COST = 1 << 16
"""A way's cost is its delay, and then the number of networks crossed, which stays below this."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one unit reaches another on a network that it is not on."""

    source: Unit
    source_network: str
    target: Unit
    target_network: str
    hops: tuple[Hop, ...]
    routers: tuple[str, ...]
    """The pods that forward, in order."""

    @property
    def route(self) -> Route:
        """What the kernel is told of it."""
        return Route(
            source=self.source.group(self.source_network),
            target=self.target.group(self.target_network),
            hops=self.hops,
        )


class LinkMap:
    """Which link two groups of one network have between them."""

    def __init__(self, units: Iterable[Unit], links: Iterable[LinkState]) -> None:
        self._of_service: dict[str, list[Unit]] = {}
        for unit in units:
            self._of_service.setdefault(unit.member.service, []).append(unit)
        self._found: dict[tuple[str, str], tuple[Hop, int] | None] = {}
        # The most exact come last and stay; of equals, those that were declared first.
        for link in sorted(reversed([*links]), key=lambda link: link.ends.exactness):
            self._add(link, Hop(link=link.ends.name))
            self._add(link.reversed, Hop(link=link.ends.name, backward=True))

    def leg(self, source: str, target: str) -> _Leg:
        """The way from one group to another on the same network."""
        found = self._found.get((source, target))
        return _Leg(1) if found is None else _Leg(found[1] * _NANOSECOND_COST + 1, (found[0],))

    def routes(self) -> Iterator[Route]:
        """All ways within one network that cross a link."""
        for (source, target), found in self._found.items():
            if found is not None:
                yield Route(source=source, target=target, hops=(found[0],))

    def _add(self, link: LinkState, hop: Hop) -> None:
        found = None if link.forward == TRANSPARENT else (hop, link.forward.delay_ns)
        ends, services = link.ends, self._of_service
        sources = [u for u in services.get(ends.first.service, ()) if ends.first.covers(u.member)]
        targets = [u for u in services.get(ends.second.service, ()) if ends.second.covers(u.member)]
        for source, target in product(sources, targets):
            self._found[source.group(ends.network), target.group(ends.network)] = found


class _Leg(NamedTuple):
    """A part of a way."""

    cost: int
    hops: tuple[Hop, ...] = ()


class _End(NamedTuple):
    """The part of a way between a group and the router next to it."""

    network: str
    router: str
    leg: _Leg


_Ends: TypeAlias = tuple[_End, ...]
_Paths: TypeAlias = dict[str, tuple[dict[str, float], dict[str, list[str]]]]
"""From each router: the cost of the way to each other, and the way."""


class _Best(NamedTuple):
    """The way between two classes of groups."""

    network: str
    """The source's."""
    hops: tuple[Hop, ...]
    routers: tuple[str, ...]


class RouterMap:
    """The routers that are up, and the ways over them."""

    def __init__(
        self,
        units: Sequence[Unit],
        routers: Collection[str],
        links: LinkMap,
        access: Mapping[str, LinkParameters],
    ) -> None:
        """Look at the routers.

        Args:
            units: All units of the deployment.
            routers: The pods that forward now.
            links: The links within the networks.
            access: Each network's link of its interfaces, where packets notice it.
        """
        self._units = units
        self._links = links
        self._access = access
        # Nothing tells the pods of a unit apart, so its first one would win every time.
        self._routers = {
            pod: unit for unit in units for pod in [p for p in unit.pods if p in routers][:1]
        }
        self._at: dict[str, list[str]] = {}
        for pod, unit in sorted(self._routers.items()):
            for network in unit.networks:
                self._at.setdefault(network, []).append(pod)
        if self._routers:
            self._graph, self._paths = self._joined()

    def access_links(self) -> Iterator[Link]:
        """The links that forwarded packets cross as they leave a router."""
        for network, parameters in self._access.items():
            for pod in self._at.get(network, ()):
                name = _access_name(pod, network)
                yield Link(name=name, forward=parameters, backward=TRANSPARENT)

    def ways(self) -> Iterator[Way]:
        """The ways between all units that are not on one network and yet can reach each other."""
        if not self._routers:
            return
        starts, goals = _Classes(), _Classes()
        sources = [(unit, starts.number(self._starts(unit))) for unit in self._units]
        targets = [
            (unit, network, goals.number(self._goals(unit, network)))
            for unit in self._units
            for network in unit.networks
        ]
        found: dict[tuple[int, int], _Best | None] = {}
        for source, start in sources:
            for target, network, goal in targets:
                if network in source.networks:
                    continue
                if (start, goal) not in found:
                    found[start, goal] = self._best(starts.ends[start], goals.ends[goal])
                best = found[start, goal]
                if best is not None:
                    yield Way(source, best.network, target, network, best.hops, best.routers)

    def _joined(self) -> tuple[nx.DiGraph[str], _Paths]:
        """The routers, each joined to those that share a network with it, and the ways between."""
        import networkx as nx  # here: most deployments have no router, and it takes long to import

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(sorted(self._routers))
        for network, pods in self._at.items():
            for pod, other in product(pods, pods):
                target = self._routers[other]
                if self._routers[pod].member.service == target.member.service:
                    continue
                leg = self._from_router(pod, network, target)
                if not graph.has_edge(pod, other) or leg.cost < graph[pod][other]["cost"]:
                    graph.add_edge(pod, other, cost=leg.cost, leg=leg)
        return graph, dict(nx.all_pairs_dijkstra(graph, weight="cost"))

    def _from_router(self, pod: str, network: str, target: Unit) -> _Leg:
        """What a packet crosses from a router to a group or to the next router."""
        leg = self._links.leg(self._routers[pod].group(network), target.group(network))
        access = self._access.get(network)
        if access is None:
            return leg
        hop = Hop(link=_access_name(pod, network))
        return _Leg(leg.cost + access.delay_ns * _NANOSECOND_COST, (hop, *leg.hops))

    def _starts(self, unit: Unit) -> _Ends:
        """The ways from a unit to routers; the kernel adds the unit's own access link."""
        ends: list[_End] = []
        for network in unit.networks:
            access = self._access.get(network, TRANSPARENT)
            for pod in self._neighbours(unit, network):
                leg = self._links.leg(unit.group(network), self._routers[pod].group(network))
                cost = leg.cost + access.delay_ns * _NANOSECOND_COST
                ends.append(_End(network, pod, _Leg(cost, leg.hops)))
        return tuple(ends)

    def _goals(self, unit: Unit, network: str) -> _Ends:
        """The ways from routers to a unit; one that is a router itself is there already."""
        own = [pod for pod, router in self._routers.items() if router is unit]
        return (
            *(_End(network, pod, _Leg(0)) for pod in own),
            *(
                _End(network, pod, self._from_router(pod, network, unit))
                for pod in self._neighbours(unit, network)
            ),
        )

    def _neighbours(self, unit: Unit, network: str) -> Iterator[str]:
        for pod in self._at.get(network, ()):
            if self._routers[pod].member.service != unit.member.service:
                yield pod

    def _best(self, starts: _Ends, goals: _Ends) -> _Best | None:
        best: tuple[float, _End, _End] | None = None
        for start, goal in product(starts, goals):
            costs, _ = self._paths[start.router]
            if goal.router not in costs:
                continue
            cost = start.leg.cost + costs[goal.router] + goal.leg.cost
            if best is None or cost < best[0]:
                best = (cost, start, goal)
        if best is None:
            return None
        _, start, goal = best
        routers = tuple(self._paths[start.router][1][goal.router])
        hops = list(start.leg.hops)
        for pod, other in pairwise(routers):
            hops += self._graph[pod][other]["leg"].hops
        hops += goal.leg.hops
        # A longer way is no way: like a packet whose time to live is over.
        return _Best(start.network, tuple(hops), routers) if len(hops) <= HOPS_MOST else None


class _Classes:
    """Numbers for sets of ends, the same for equal ones."""

    def __init__(self) -> None:
        self._numbers: dict[_Ends, int] = {}
        self.ends: list[_Ends] = []

    def number(self, ends: _Ends) -> int:
        if ends not in self._numbers:
            self._numbers[ends] = len(self.ends)
            self.ends.append(ends)
        return self._numbers[ends]


def _access_name(pod: str, network: str) -> str:
    """The name of a router's own link to a network; no other link's name has a slash."""
    return f"{pod}@{network}/access"
