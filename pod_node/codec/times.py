"""Times as the messages of node.v1 have them: whole milliseconds and microseconds."""

from __future__ import annotations

US = 1_000_000


def to_ms(seconds: float) -> int:
    """Write a duration in milliseconds."""
    return round(seconds * 1000)


def to_us(seconds: float) -> int:
    """Write a duration, or a time since the epoch, in microseconds."""
    return round(seconds * US)
