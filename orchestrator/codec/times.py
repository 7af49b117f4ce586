"""Durations that may be absent, as messages have them: microseconds, 0 for none."""

from __future__ import annotations

US = 1_000_000


def duration_to_us(seconds: float | None) -> int:
    """Write a duration; None, for never, is 0, and anything shorter than a microsecond is one."""
    return 0 if seconds is None else max(1, round(seconds * US))


def duration_from_us(microseconds: int) -> float | None:
    """Read a duration; 0 is None."""
    return microseconds / US if microseconds else None
