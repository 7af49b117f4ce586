"""Faults between groups of pods, and which packets meet them.

Owns how partitions and holds become what a node applies. Pure. Which faults there are now is
`impairments.py`'s business.

Packets that a router forwards meet a fault between any two pods on their way, not only between the
first and the last; so faults that concern routers grow by those that they keep from each other. The
way itself stays the same: nobody tells pods to take another router.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from vnet.configuration import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address

    from orchestrator.network.routing import Way

_Sides: TypeAlias = tuple[frozenset[str], frozenset[str]]
"""The names of pods that send, and of those that they send to."""

FORWARDED = "/"
"""In the names of those faults that packets meet as they are forwarded, and in no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultState:
    """Groups of pods that are kept from each other."""

    name: str
    kind: FaultKind
    groups: tuple[tuple[str, ...], ...]
    """Names of services and pods, as they were given."""
    pods: tuple[tuple[str, ...], ...]
    """The pods of each group."""
    oneway: bool = False
    """Only packets from the first group to the second are concerned."""
    until_s: float | None = None
    """When it ends; None when somebody ends it."""

    @property
    def directed(self) -> int:
        """How many faults it is to a node, apart from forwarded packets."""
        return 1 if self.oneway else len(self.pods)


def node_faults(
    states: Iterable[FaultState],
    ways: Sequence[Way],
    addresses: Mapping[str, Mapping[str, IPv4Address]],
) -> Iterator[Fault]:
    """Turn faults into what a node applies: sources and targets, one direction each.

    Args:
        states: The faults.
        ways: The ways over routers.
        addresses: Every pod's addresses by network.
    """
    for state in states:
        for direction, (sources, targets) in enumerate(_directions(state)):
            if not sources or not targets:
                continue  # A service may have no replicas.
            yield _fault(state, f"{state.name}:{direction}", sources, targets, addresses)
            added = (
                sides
                for sides in _forwarded(sources, targets, ways)
                if not (sides[0] <= sources and sides[1] <= targets)
            )
            blocked = _merged(_merged(added))
            for number, (unheard, unreached) in enumerate(blocked):
                name = f"{state.name}:{direction}{FORWARDED}{number}"
                yield _fault(state, name, unheard, unreached, addresses)


def _fault(
    state: FaultState,
    name: str,
    sources: Iterable[str],
    targets: Iterable[str],
    addresses: Mapping[str, Mapping[str, IPv4Address]],
) -> Fault:
    return Fault(
        name=name,
        kind=state.kind,
        sources=_addresses(sources, addresses),
        targets=_addresses(targets, addresses),
    )


def _merged(pairs: Iterable[_Sides]) -> Iterator[_Sides]:
    """Make one of those that have their second part in common; parts come out in swapped order."""
    by_second: dict[frozenset[str], set[str]] = {}
    for first, second in pairs:
        by_second.setdefault(second, set()).update(first)
    for second, together in by_second.items():
        yield second, frozenset(together)


def _directions(state: FaultState) -> Iterator[_Sides]:
    groups = [frozenset(pods) for pods in state.pods]
    if state.oneway:
        yield groups[0], groups[1]
        return
    for index, sources in enumerate(groups):
        others = groups[:index] + groups[index + 1 :]
        yield sources, frozenset().union(*others)


def _forwarded(
    sources: frozenset[str], targets: frozenset[str], ways: Iterable[Way]
) -> Iterator[_Sides]:
    """The sources and targets whose packets meet a fault as they are forwarded."""
    for way in ways:
        first, last = way.routers[0], way.routers[-1]
        all_sources, all_targets = frozenset(way.source.pods), frozenset(way.target.pods)
        if first in targets and (cut := all_sources & sources):
            yield cut, all_targets
        if last in sources and (cut := all_targets & targets):
            yield all_sources, cut
        steps = pairwise(way.routers)
        if any(pod in sources and other in targets for pod, other in steps):
            yield all_sources, all_targets


def _addresses(
    pods: Iterable[str], addresses: Mapping[str, Mapping[str, IPv4Address]]
) -> tuple[IPv4Address, ...]:
    return tuple(sorted(address for pod in pods for address in addresses[pod].values()))
