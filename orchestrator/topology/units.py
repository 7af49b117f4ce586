"""Durations and sizes as people write them, with a unit.

Owns the two little languages `1m30s` and `128M`, both ways. Values are exact on the way in:
`1500ms` and `1.5s` are the same float. A number without a unit is refused, because half of its
readers would guess wrong.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DURATION_S = 30 * 24 * 3600
"""Thirty days; up to here a float keeps nanoseconds apart."""

_NANOSECOND = Fraction(1, 10**9)
_DURATION_UNITS = {
    "ns": _NANOSECOND,
    "us": 1000 * _NANOSECOND,
    "µs": 1000 * _NANOSECOND,
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
_SIZE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h|d)")
_SIZE = re.compile(rf"({_NUMBER}) ?([kmgt]?)(i?b)?", re.IGNORECASE | re.ASCII)
_BARE = re.compile(rf"[+-]?{_NUMBER}", re.ASCII)

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$"
SIZE_PATTERN = r"^[0-9]+(\.[0-9]+)? ?([kKmMgGtT]([iI]?[bB])?|[bB])$"
"""Both for JSON schemas; the functions below say more."""


def parse_duration(text: str) -> float:
    """Read a duration such as `20ms`, `1.5s` or `1m30s`; the result is in seconds.

    Raises:
        ValueError: The text is no duration; the message says what to write.
    """
    if _BARE.fullmatch(text):
        raise ValueError(
            f'duration "{text}" has no unit; write for example "{text}s" or "{text}ms"'
        )
    total, position = Fraction(0), 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != position:
            break
        total += Fraction(part[1]) * _DURATION_UNITS[part[2]]
        position = part.end()
    if position != len(text) or not text:
        raise ValueError('expected a duration with a unit, such as "20ms", "1s" or "1m30s"')
    if total > MAX_DURATION_S:
        raise ValueError(f"the duration is longer than {MAX_DURATION_S // 86_400} days")
    return float(total)


def format_duration(seconds: float) -> str:
    """Write a duration so that `parse_duration` reads the same value back."""
    nanoseconds = round(Fraction(seconds) / _NANOSECOND)
    for unit in ("s", "ms", "us"):
        whole, rest = divmod(nanoseconds, _DURATION_UNITS[unit] / _NANOSECOND)
        if not rest:
            return f"{whole}{unit}"
    return f"{nanoseconds}ns"


def parse_size(text: str) -> int:
    """Read a size such as `64k`, `128M` or `1G`; units are powers of 1024, as in Compose.

    Raises:
        ValueError: The text is no size; the message says what to write.
    """
    if _BARE.fullmatch(text):
        raise ValueError(f'size "{text}" has no unit; write for example "{text}M" or "{text}b"')
    match = _SIZE.fullmatch(text)
    if match is None or ((match[3] or "").lower() == "ib" and not match[2]):
        raise ValueError('expected a size with a unit, such as "64k", "128M" or "1G"')
    size = Fraction(match[1]) * 1024 ** _SIZE_POWERS[match[2].lower()]
    if size.denominator != 1:
        raise ValueError("the size is not a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """Write a size so that `parse_size` reads the same value back."""
    for unit in ("G", "M", "k"):
        whole, rest = divmod(size, 1024 ** _SIZE_POWERS[unit.lower()])
        if whole and not rest:
            return f"{whole}{unit}"
    return f"{size}b"
