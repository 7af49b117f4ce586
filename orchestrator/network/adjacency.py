"""Which networks lead to which, over services that forward between theirs.

Owns the map of a topology's networks as far as it follows from the file alone, whichever pods are
up. Pure. Which way packets take is `routing.py`'s business.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

from orchestrator.topology.problems import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.topology.schema import Topology

_PAIRS_SHOWN = 8


class NetworkMap:
    """The networks of a topology, joined by its routers."""

    def __init__(self, topology: Topology) -> None:
        self._services = topology.services
        joined: dict[str, dict[str, None]] = {name: {} for name in topology.network_names}
        for service in topology.services.values():
            if service.router and service.deploy.replicas:
                for first, second in permutations(service.attached, 2):
                    joined[first][second] = None
        self._distances = {name: _distances(joined, name) for name in joined}

    @property
    def names(self) -> tuple[str, ...]:
        """All networks."""
        return tuple(self._distances)

    def reached(self, network: str, service: str) -> tuple[str, ...]:
        """The networks of a service to which another one leads, those fewest routers away first."""
        distances = self._distances[network]
        reached = [name for name in self._services[service].attached if name in distances]
        return tuple(sorted(reached, key=distances.__getitem__))

    def unreachable(self) -> tuple[tuple[str, str], ...]:
        """The pairs of services between which no packet can pass."""
        return tuple(
            (first, second)
            for first, second in combinations(self._services, 2)
            if not any(self.reached(name, second) for name in self._services[first].attached)
        )


def _distances(joined: Mapping[str, Iterable[str]], start: str) -> dict[str, int]:
    """How many routers each network is away from one, nearest first."""
    distances = {start: 0}
    for network in (waiting := [start]):
        for other in joined[network]:
            if other not in distances:
                distances[other] = distances[network] + 1
                waiting.append(other)
    return distances


def unreachable_services(file: str, topology: Topology) -> Iterator[Problem]:
    """Warn of services that cannot talk to each other, which may be what is wanted.

    Args:
        file: What to call the file of the topology.
        topology: What is declared.
    """
    pairs = [" and ".join(pair) for pair in NetworkMap(topology).unreachable()]
    if not pairs:
        return
    shown = pairs[:_PAIRS_SHOWN]
    if len(pairs) > len(shown):
        shown.append(f"{len(pairs) - len(shown)} more pairs")
    yield Problem(
        file=file,
        mark=None,
        path=("networks",),
        message=f"no packet can pass between {'; '.join(shown)}; if it should, put them on one "
        'network, or give a service on both of theirs "router: true"',
        severity=Severity.WARNING,
    )
