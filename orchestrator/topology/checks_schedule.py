"""What must hold between a schedule's entries, and between them and the topology.

Owns these rules: whatever a running deployment would refuse is refused here, before anything
starts. Pure.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from orchestrator.topology.link_change import LinkChangeError, change_from
from orchestrator.topology.link_table import LinkTable
from orchestrator.topology.links import LinkEnds, declared_links
from orchestrator.topology.problems import quoted, suggestion
from orchestrator.topology.schema import ALL
from orchestrator.topology.units import format_duration

if TYPE_CHECKING:
    from orchestrator.topology.inspection import Inspection
    from orchestrator.topology.members import Member
    from orchestrator.topology.problems import Path
    from orchestrator.topology.schema import ScheduleEntry


def check_schedule(inspection: Inspection) -> None:
    """Report everything that does not hold about the schedule.

    Preconditions: the links were checked before, by the same inspection.
    """
    sound = inspection.is_sound
    table = LinkTable(declared_links(inspection.topology) if sound else ())
    latest = 0.0
    for index, entry in enumerate(inspection.topology.schedule):
        path: Path = ("schedule", index)
        if entry.at < latest:
            message = (
                f"stands after an entry at {format_duration(latest)}; "
                "put entries in the order of their times"
            )
            inspection.report((*path, "at"), message)
        latest = max(latest, entry.at)
        _check_pods(inspection, path, entry)
        check_groups(inspection, (*path, "partition"), entry.partition or (), oneway=entry.oneway)
        check_groups(inspection, (*path, "hold"), entry.hold or (), oneway=entry.oneway)
        ends = _link(inspection, path, entry)
        if ends is not None and sound:
            _change_link(inspection, path, entry, ends, table)
    _check_names(inspection, "partition", "heal")
    _check_names(inspection, "hold", "release")


def check_groups(
    inspection: Inspection, path: Path, groups: tuple[tuple[str, ...], ...], *, oneway: bool
) -> None:
    """Report groups that cannot be parted from each other."""
    seen: list[tuple[int, Member]] = []
    for number, group in enumerate(groups):
        for index, name in enumerate(group):
            place: Path = (*path, number, index)
            member = inspection.member(place, name)
            if member is None:
                continue
            if any(member.overlaps(other) and at != number for at, other in seen):
                inspection.report(place, f"{quoted(name)} is in another group already")
            seen.append((number, member))
    if oneway and len(groups) > 2:
        inspection.report(path, "one way needs exactly two groups, from the first to the second")


def _check_pods(inspection: Inspection, path: Path, entry: ScheduleEntry) -> None:
    for key in ("kill", "pause", "resume"):
        names: tuple[str, ...] = getattr(entry, key) or ()
        for index, name in enumerate(names):
            inspection.member((*path, key, index), name)


def _link(inspection: Inspection, path: Path, entry: ScheduleEntry) -> LinkEnds | None:
    if entry.link is None:
        return None
    ends = inspection.ends((*path, "link"), entry.link)
    network = ends and inspection.common_network(path, "link", ends, entry.network)
    return LinkEnds(*ends, network) if ends and network else None


def _change_link(
    inspection: Inspection, path: Path, entry: ScheduleEntry, ends: LinkEnds, table: LinkTable
) -> None:
    """Do to a table what the entry will do to the running deployment's."""
    table.expire(entry.at)
    if entry.changes is None:
        table.reset(ends)
        return
    until_s = None if entry.duration is None else entry.at + entry.duration
    try:
        table.change(ends, change_from(entry.changes), entry.direction, until_s)
    except LinkChangeError as error:
        for key, message in error.faults:
            inspection.report((*path, "set", key), message)


def _check_names(inspection: Inspection, begins: str, ends: str) -> None:
    """Check that what ends something names what an entry before it began."""
    known: dict[str, float] = {}
    for index, entry in enumerate(inspection.topology.schedule):
        path: Path = ("schedule", index)
        if getattr(entry, begins) is not None and entry.name is not None:
            if entry.name in known:
                message = f"{quoted(entry.name)} is taken already; choose another name"
                inspection.report((*path, "name"), message)
            known[entry.name] = inf if entry.duration is None else entry.at + entry.duration
        ended: str | None = getattr(entry, ends)
        if ended is not None and ended not in (*known, ALL):
            hint = suggestion(ended, [*known, ALL], what="names so far")
            message = f"no {begins} before this is called {quoted(ended)}; {hint}"
            inspection.report((*path, ends), message)
        elif ended is not None and entry.at >= known.get(ended, inf):
            over = format_duration(known[ended])
            message = f"the {begins} {quoted(ended)} is over at {over} already; remove this"
            inspection.report((*path, ends), message)
