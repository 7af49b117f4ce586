"""A topology's schedule as the changes that it makes, and when each is due.

Owns the translation of entries, and the place in the list. Pure: time is an argument, in seconds on
any clock. Making the changes is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from orchestrator.network.changes import (
    Change,
    Impairment,
    Mend,
    Part,
    PodAction,
    PodVerb,
    ResetLink,
    SetLink,
)
from orchestrator.topology.link_change import change_from
from orchestrator.topology.members import Roster
from orchestrator.topology.schema import ALL
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.topology.schema import ScheduleEntry, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledChange:
    """A change, and when it happens."""

    at_s: float
    """Seconds after all pods have started."""
    change: Change


class Schedule:
    """What is still to happen."""

    def __init__(self, topology: Topology, start_s: float, done: int = 0) -> None:
        """Begin at the first entry, or go on.

        Args:
            topology: Has the schedule.
            start_s: When all pods had started.
            done: How many of its changes have been made already.
        """
        self._changes = scheduled_changes(topology)
        self.start_s = start_s
        self._next = min(done, len(self._changes))

    @property
    def done(self) -> int:
        """How many of its changes have been made."""
        return self._next

    def poll_at(self) -> float | None:
        """When the next change is due; None when nothing is left."""
        if self._next == len(self._changes):
            return None
        return self.start_s + self._changes[self._next].at_s

    def due(self, now_s: float) -> tuple[Change, ...]:
        """Take the changes that are due, in order."""
        begin = self._next
        while (at_s := self.poll_at()) is not None and at_s <= now_s:
            self._next += 1
        return tuple(entry.change for entry in self._changes[begin : self._next])


def scheduled_changes(topology: Topology) -> tuple[ScheduledChange, ...]:
    """The changes of a topology's schedule, in the order of their times.

    Preconditions: the topology was loaded without errors.
    """
    roster = Roster(topology)
    changes = chain.from_iterable(_changes(entry, roster) for entry in topology.schedule)
    return tuple(sorted(changes, key=lambda change: change.at_s))


def _changes(entry: ScheduleEntry, roster: Roster) -> Iterator[ScheduledChange]:
    for impairment in (_link(entry), _part(entry), _mend(entry)):
        if impairment is not None:
            yield ScheduledChange(at_s=entry.at, change=impairment)
    named = {PodVerb.KILL: entry.kill, PodVerb.PAUSE: entry.pause, PodVerb.RESUME: entry.resume}
    for verb, names in named.items():
        if names is None:
            continue
        pods = roster.pods(map(roster.find, names))
        action = PodAction(verb=verb, pods=pods, duration_s=entry.duration)
        yield ScheduledChange(at_s=entry.at, change=action)


def _link(entry: ScheduleEntry) -> Impairment | None:
    if entry.link is None:
        return None
    first, second = entry.link
    if entry.changes is None:
        return ResetLink(first=first, second=second, network=entry.network)
    return SetLink(
        first=first,
        second=second,
        network=entry.network,
        change=change_from(entry.changes),
        direction=entry.direction,
        duration_s=entry.duration,
    )


def _part(entry: ScheduleEntry) -> Impairment | None:
    kind = FaultKind.CUT if entry.partition is not None else FaultKind.HOLD
    groups = entry.partition or entry.hold
    if groups is None:
        return None
    return Part(
        kind=kind,
        groups=groups,
        oneway=entry.oneway,
        name=entry.name,
        duration_s=entry.duration,
    )


def _mend(entry: ScheduleEntry) -> Impairment | None:
    for kind, name in ((FaultKind.CUT, entry.heal), (FaultKind.HOLD, entry.release)):
        if name is not None:
            return Mend(kind=kind, name=None if name == ALL else name)
    return None
