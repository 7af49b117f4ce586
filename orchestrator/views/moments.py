"""Moments as people write them on a command line: `5m` ago, a date, a time, seconds since 1970.

Owns the little language and its error; what the time is now is an argument. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from orchestrator.topology.units import parse_duration

_EPOCH_SECONDS = re.compile(r"[0-9]{9,12}(?:\.[0-9]{1,9})?", re.ASCII)
"""At least nine digits, from 1973 on: a year or a bare number of minutes is none."""
_DATED = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)
_EXPECTED = (
    'expected a duration such as "5m", meaning so long ago, or a time such as '
    '"2026-01-31T12:00:00Z"'
)


def parse_moment(text: str, now_s: float) -> float:
    """Read a moment, in seconds since the epoch; a time without a zone is the machine's.

    Args:
        text: A duration counts back from now; otherwise RFC 3339, or seconds since the epoch.
        now_s: The time, in seconds since the epoch.

    Raises:
        ValueError: The text is no moment; the message says what to write.
    """
    if _EPOCH_SECONDS.fullmatch(text):
        return float(text)
    if _DATED.fullmatch(text):
        try:
            return max(0.0, datetime.fromisoformat(text.replace(",", ".")).timestamp())
        except (ValueError, OverflowError, OSError) as error:
            raise ValueError(f'there is no time "{text}": {error}') from error
    try:
        return max(0.0, now_s - parse_duration(text))
    except ValueError as error:
        raise ValueError(_EXPECTED) from error


def moment_text(time_s: float) -> str:
    """Write a moment for programs: RFC 3339 in UTC, with microseconds."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
