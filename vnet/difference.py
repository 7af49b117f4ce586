"""What leads from one network configuration to the next.

Owns the comparison only: which groups, links, routes and faults are new, changed or gone. Values
that are equal are not mentioned, so that what they describe goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from vnet.configuration import Fault, Group, Link, NetworkConfiguration, Route

Value = TypeVar("Value")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Steps from one configuration to another, to be taken in the order of the fields."""

    seed: int | None = None
    """None when it stays."""
    gone_faults: tuple[str, ...] = ()
    gone_routes: tuple[tuple[str, str], ...] = ()
    gone_groups: tuple[str, ...] = ()
    gone_links: tuple[str, ...] = ()
    shrunk_groups: tuple[Group, ...] = ()
    """Groups that lose interfaces, without those; before others may have them."""
    groups: tuple[Group, ...] = ()
    """New or changed, as all below."""
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self == Difference()


def difference(before: NetworkConfiguration, after: NetworkConfiguration) -> Difference:
    """Compare two configurations; both must pass `vnet.checks.check`."""
    gone_groups, groups = _compare(before.groups, after.groups, lambda group: group.name)
    gone_links, links = _compare(before.links, after.links, lambda link: link.name)
    gone_routes, routes = _compare(before.routes, after.routes, _ends)
    gone_faults, faults = _compare(before.faults, after.faults, lambda fault: fault.name)
    known = {group.name: group for group in before.groups}
    rehomed = tuple(group.name for group in groups if _changes_network(known, group))
    severed = tuple(_ends(route) for route in before.routes if {*_ends(route)} & {*rehomed})
    renewed = tuple(route for route in after.routes if _ends(route) in severed)
    return Difference(
        seed=None if before.seed == after.seed else after.seed,
        gone_faults=gone_faults,
        gone_routes=tuple(dict.fromkeys((*gone_routes, *severed))),
        gone_groups=gone_groups + rehomed,
        gone_links=gone_links,
        shrunk_groups=_shrunk(known, (group for group in groups if group.name not in rehomed)),
        groups=groups,
        links=links,
        routes=(*routes, *(route for route in renewed if route not in routes)),
        # An interface that joins a group stands on no side of a fault yet.
        faults=after.faults if any(_grows(known, group) for group in groups) else faults,
    )


def _ends(route: Route) -> tuple[str, str]:
    return route.source, route.target


def _compare(
    before: Iterable[Value], after: Iterable[Value], key: Callable[[Value], Key]
) -> tuple[tuple[Key, ...], tuple[Value, ...]]:
    """Return the keys that are gone, and the values that are new or changed."""
    old = {key(value): value for value in before}
    new = {key(value): value for value in after}
    gone = tuple(name for name in old if name not in new)
    changed = tuple(value for name, value in new.items() if old.get(name) != value)
    return gone, changed


def _changes_network(before: dict[str, Group], group: Group) -> bool:
    """Tell whether a group must be made anew, with all its routes."""
    old = before.get(group.name)
    return old is not None and old.network != group.network


def _grows(before: dict[str, Group], group: Group) -> bool:
    old = before.get(group.name)
    return not set(group.interfaces) <= set(old.interfaces if old else ())


def _shrunk(before: dict[str, Group], groups: Iterable[Group]) -> tuple[Group, ...]:
    shrunk = []
    for group in groups:
        old = before.get(group.name)
        if old is None:
            continue
        staying = set(group.interfaces)
        kept = tuple(address for address in old.interfaces if address in staying)
        if len(kept) < len(old.interfaces):
            shrunk.append(replace(old, interfaces=kept))
    return tuple(shrunk)
