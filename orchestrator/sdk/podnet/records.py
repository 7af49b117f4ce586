"""Log lines and events as values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.topology.units import parse_duration
from orchestrator.views.moments import parse_moment
from podnet.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.views.deployment import DeploymentEvent
    from pod_node.records import LogLines

Duration: TypeAlias = "float | str | timedelta"
"""Seconds, or a text with a unit such as `"200ms"`."""
Moment: TypeAlias = "float | str | datetime | timedelta"
"""Seconds since 1970, a time, or how long ago, such as `"5m"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a pod wrote."""

    time: datetime
    service: str
    pod: str
    stream: str
    """`stdout`, `stderr`, or `podnet` for a note of podnet's own."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; docs/events.md has the words."""

    sequence: int
    """Grows by one with each event of the deployment."""
    time: datetime
    type: str
    """For example `pod`."""
    action: str
    """For example `healthy`."""
    service: str = ""
    pod: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    """One line for people."""


def lines_of(group: LogLines) -> Iterator[LogLine]:
    """Take lines apart that came together."""
    moment = datetime.fromtimestamp(group.time_s, UTC)
    for line in group.lines:
        yield LogLine(
            time=moment,
            service=group.pod.rpartition("-")[0],
            pod=group.pod,
            stream=group.stream,
            text=line.decode("utf-8", "replace"),
        )


def event_of(event: DeploymentEvent) -> Event:
    """Write an event as users see it."""
    return Event(
        sequence=event.sequence,
        time=datetime.fromtimestamp(event.time_s, UTC),
        type=event.facts.type,
        action=event.facts.action,
        service=event.facts.service,
        pod=event.facts.pod,
        attributes=dict(event.facts.attributes),
        text=event.text,
    )


def seconds(duration: Duration) -> float:
    """Read a duration.

    Raises:
        RefusedError: it is none.
    """
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str):
        try:
            return parse_duration(duration)
        except ValueError as error:
            raise RefusedError(str(error)) from error
    return float(duration)


def seconds_or_none(duration: Duration | None) -> float | None:
    """Read a duration that may be absent."""
    return None if duration is None else seconds(duration)


def epoch_seconds(moment: Moment | None) -> float | None:
    """Read a moment that may be absent.

    Raises:
        RefusedError: it is none.
    """
    match moment:
        case None:
            return None
        case datetime():
            return moment.timestamp()
        case timedelta():
            return time.time() - moment.total_seconds()
        case str():
            try:
                return parse_moment(moment, time.time())
            except ValueError as error:
                raise RefusedError(str(error)) from error
        case _:
            return float(moment)
