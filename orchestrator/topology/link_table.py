"""The links of a deployment as they are now: what was declared, under what was changed since.

Owns how changes lie on top of each other: each is merged into what lies below it, a temporary one
is lifted out again when its time is over, and a link that nobody declared takes what it was not
told from the link that would hold in its place. Pure: time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from orchestrator.topology.link_change import (
    TRANSPARENT,
    LinkChange,
    LinkChangeError,
    contradictions,
    feasible,
)
from orchestrator.topology.links import LinkState, covering, turned
from orchestrator.topology.values import LinkDirection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.topology.links import LinkEnds
    from vnet.configuration import LinkParameters


@dataclass(frozen=True, slots=True)
class _Layer:
    """One change, lying on those before it."""

    change: LinkChange
    direction: LinkDirection
    until_s: float | None


@dataclass(slots=True)
class _Entry:
    declared: LinkState | None
    layers: list[_Layer] = field(default_factory=list)


class LinkTable:
    """All links and their changes."""

    def __init__(self, declared: Iterable[LinkState]) -> None:
        self._entries = {state.ends: _Entry(state) for state in declared}

    def copy(self) -> LinkTable:
        """The same links, to try a change on."""
        other = LinkTable(())
        other._entries = {
            ends: _Entry(entry.declared, list(entry.layers))
            for ends, entry in self._entries.items()
        }
        return other

    def states(self) -> tuple[LinkState, ...]:
        """Every link as it is now, those of the topology first."""
        return tuple(self._state(ends, entry) for ends, entry in self._entries.items())

    def find(self, ends: LinkEnds) -> LinkState | None:
        """The link between exactly these ends, turned the same way around."""
        for way in (ends, ends.reversed):
            if entry := self._entries.get(way):
                state = self._state(way, entry)
                return state if way is ends else state.reversed
        return None

    def change(
        self,
        ends: LinkEnds,
        change: LinkChange,
        direction: LinkDirection = LinkDirection.BOTH,
        until_s: float | None = None,
    ) -> LinkEnds:
        """Change a link; one that is not there comes to be.

        Args:
            ends: Which link; forward is from the first of them.
            change: What to change.
            direction: Which way.
            until_s: When the change ends; None for good.

        Returns:
            The link's ends, in the order in which it has them.

        Raises:
            LinkChangeError: The link cannot have all of that at once; nothing was changed.
        """
        if ends.reversed in self._entries:
            ends, direction = ends.reversed, turned(direction)
        entry = self._entries.get(ends) or _Entry(None)
        layer = _Layer(change, direction, until_s)
        for below in map(feasible, _ways(self._merged(ends, entry), direction)):
            if faults := tuple(contradictions(change, change.applied_to(below))):
                raise LinkChangeError(faults)
        entry.layers.append(layer)
        self._entries[ends] = entry
        return ends

    def reset(self, ends: LinkEnds) -> LinkEnds | None:
        """Lift every change from a link; return its ends, or None where there was no change."""
        for way in (ends, ends.reversed):
            if (entry := self._entries.get(way)) and entry.layers:
                entry.layers.clear()
                self._forget_empty()
                return way
        return None

    def expire(self, now_s: float) -> tuple[LinkEnds, ...]:
        """Lift the changes whose time is over; return the links that had them."""
        ended = []
        for ends, entry in self._entries.items():
            left = [layer for layer in entry.layers if not _is_over(layer, now_s)]
            if len(left) < len(entry.layers):
                entry.layers = left
                ended.append(ends)
        self._forget_empty()
        return tuple(ended)

    def poll_at(self) -> float | None:
        """When the next change ends."""
        layers = chain.from_iterable(entry.layers for entry in self._entries.values())
        return min((layer.until_s for layer in layers if layer.until_s is not None), default=None)

    def changes(
        self,
    ) -> tuple[tuple[LinkEnds, LinkChange, LinkDirection, float | None], ...]:
        """Every change that still lies on a link, in the order in which they lie, with its end."""
        return tuple(
            (ends, layer.change, layer.direction, layer.until_s)
            for ends, entry in self._entries.items()
            for layer in entry.layers
        )

    def _state(self, ends: LinkEnds, entry: _Entry) -> LinkState:
        state = self._merged(ends, entry)
        ends_at = [layer.until_s for layer in entry.layers if layer.until_s is not None]
        return replace(
            state,
            forward=feasible(state.forward),
            backward=feasible(state.backward),
            changed=bool(entry.layers),
            until_s=min(ends_at, default=None),
        )

    def _merged(self, ends: LinkEnds, entry: _Entry) -> LinkState:
        state = entry.declared or self._inherited(ends)
        for layer in entry.layers:
            if layer.direction is not LinkDirection.BACKWARD:
                state = replace(state, forward=layer.change.applied_to(state.forward))
            if layer.direction is not LinkDirection.FORWARD:
                state = replace(state, backward=layer.change.applied_to(state.backward))
        return state

    def _inherited(self, ends: LinkEnds) -> LinkState:
        """What held for these ends before they had a link of their own."""
        wider = [
            self._merged(other, entry)
            for other, entry in self._entries.items()
            if other.exactness < ends.exactness
        ]
        found = covering(wider, ends)
        if found is None:
            found = LinkState(ends=ends, forward=TRANSPARENT, backward=TRANSPARENT)
        return replace(found, ends=ends, declared=False)

    def _forget_empty(self) -> None:
        gone = [ends for ends, e in self._entries.items() if e.declared is None and not e.layers]
        for ends in gone:
            del self._entries[ends]


def _is_over(layer: _Layer, now_s: float) -> bool:
    return layer.until_s is not None and layer.until_s <= now_s


def _ways(state: LinkState, direction: LinkDirection) -> tuple[LinkParameters, ...]:
    match direction:
        case LinkDirection.FORWARD:
            return (state.forward,)
        case LinkDirection.BACKWARD:
            return (state.backward,)
        case LinkDirection.BOTH:
            return (state.forward, state.backward)
