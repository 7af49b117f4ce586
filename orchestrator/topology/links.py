"""The links of a deployment: which there are, and what each is like.

Owns their identity, how one link stands for many pairs of pods, and which of several that concern a
pair holds for it: the one that says most exactly whom it means. What was changed at run time is
`network/`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.topology.link_change import TRANSPARENT, change_from
from orchestrator.topology.members import Roster
from orchestrator.topology.values import LinkDirection
from vnet.configuration import LinkParameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.topology.members import Member
    from orchestrator.topology.schema import Topology


@dataclass(frozen=True, slots=True)
class LinkEnds:
    """What tells one link from another."""

    first: Member
    second: Member
    network: str

    @property
    def name(self) -> str:
        """Unique in a deployment, for example `web--api@back`."""
        # A label may hold two dashes but no tilde, so no two links have one name.
        dashes = "--" in f"{self.first}|{self.second}"
        return f"{self.first}{'~~' if dashes else '--'}{self.second}@{self.network}"

    @property
    def reversed(self) -> LinkEnds:
        """The same link, seen from its other end."""
        return LinkEnds(self.second, self.first, self.network)

    @property
    def exactness(self) -> int:
        """How many of its ends are single pods."""
        return sum(end.replica is not None for end in (self.first, self.second))

    def covers(self, other: LinkEnds) -> bool:
        """Whether every pair of pods of the other link is one of this one, the same way around."""
        return (
            self.network == other.network
            and self.first.covers(other.first)
            and self.second.covers(other.second)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """A link and how it treats packets now."""

    ends: LinkEnds
    forward: LinkParameters
    """From the first end to the second."""
    backward: LinkParameters
    declared: bool = True
    """Whether the topology has it; otherwise it was made while the deployment runs."""
    changed: bool = False
    """Whether it is not as the topology says."""
    until_s: float | None = None
    """When the first of its temporary changes ends."""

    @property
    def reversed(self) -> LinkState:
        """The same link, seen from its other end."""
        ends = self.ends.reversed
        return replace(self, ends=ends, forward=self.backward, backward=self.forward)


def declared_links(topology: Topology) -> tuple[LinkState, ...]:
    """The links that a topology declares; two entries for its two directions are one link.

    Preconditions: the topology was loaded without errors.
    """
    roster = Roster(topology)
    links: dict[LinkEnds, LinkState] = {}
    for section in topology.links:
        first, second = (roster.find(name) for name in section.endpoints)
        network = section.network or roster.shared_networks(first, second)[0]
        ends, direction = LinkEnds(first, second, network), section.direction
        if ends.reversed in links:
            ends, direction = ends.reversed, turned(direction)
        plain = LinkState(ends=ends, forward=TRANSPARENT, backward=TRANSPARENT)
        parameters = change_from(section).applied_to(TRANSPARENT)
        links[ends] = with_parameters(links.get(ends, plain), parameters, direction)
    return tuple(links.values())


def turned(direction: LinkDirection) -> LinkDirection:
    """A direction, seen from the other end."""
    opposite = {
        LinkDirection.FORWARD: LinkDirection.BACKWARD,
        LinkDirection.BACKWARD: LinkDirection.FORWARD,
    }
    return opposite.get(direction, direction)


def with_parameters(
    state: LinkState, parameters: LinkParameters, direction: LinkDirection
) -> LinkState:
    """The link with other parameters in one direction or in both."""
    return replace(
        state,
        forward=state.forward if direction is LinkDirection.BACKWARD else parameters,
        backward=state.backward if direction is LinkDirection.FORWARD else parameters,
    )


def covering(links: Iterable[LinkState], ends: LinkEnds) -> LinkState | None:
    """The link that holds for a pair of ends, turned the same way around.

    The one with most single pods at its ends wins; of equals, the first.
    """
    found: LinkState | None = None
    for link in links:
        for state in (link, link.reversed):
            closer = found is None or state.ends.exactness > found.ends.exactness
            if closer and state.ends.covers(ends):
                found = state
    return found
