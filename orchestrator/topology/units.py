"""Durations, sizes, rates and shares as people write them, with a unit.

Owns the little languages `1m30s`, `128M`, `10mbit` and `0.1%`, both ways. Values are exact on the
way in: `1500ms` and `1.5s` are the same float. A number without a unit is refused, because half of
its readers would guess wrong.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

MAX_DURATION_S = 30 * 24 * 3600
"""Thirty days; up to here a float keeps nanoseconds apart."""

MAX_RATE_BIT_S = 10**12
"""Faster than any link that there is to imitate."""

LEAST_CPUS = 0.01
"""Docker's least too: a pod that computes for a millisecond in each tenth of a second."""
MOST_CPUS = 1000

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
_RATE_UNITS = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}

_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h|d)")
_SIZE = re.compile(rf"({_NUMBER}) ?([kmgt]?)(i?b)?", re.IGNORECASE | re.ASCII)
_RATE = re.compile(rf"({_NUMBER}) ?([a-z]+)", re.IGNORECASE | re.ASCII)
_CPUS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3}0*)?|\.[0-9]{1,3}0*", re.ASCII)
_PERCENTAGE = re.compile(rf"(-?{_NUMBER}) ?%", re.ASCII)
_BARE = re.compile(rf"[+-]?{_NUMBER}", re.ASCII)

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$"
SIZE_PATTERN = r"^[0-9]+(\.[0-9]+)? ?([kKmMgGtT]([iI]?[bB])?|[bB])$"
RATE_PATTERN = r"^[0-9]+(\.[0-9]+)? ?[kKmMgGtT]?[bB][iI][tT]$"
CPUS_PATTERN = r"^([0-9]*\.)?[0-9]+$"
PERCENTAGE_PATTERN = r"^[0-9]+(\.[0-9]+)? ?%$"
"""For JSON schemas; the functions below say more."""


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


def parse_cpus(text: str) -> float:
    """Read a number of processors such as `0.5` or `2`.

    Raises:
        ValueError: The text is no such number, or one out of bounds; the message says what to
            write.
    """
    if not _CPUS.fullmatch(text):
        raise ValueError(
            f'"{text}" is not a number of processors; write for example 0.5, '
            "with three decimals at most"
        )
    if not LEAST_CPUS <= float(text) <= MOST_CPUS:
        raise ValueError(f"must be between {LEAST_CPUS:g} and {MOST_CPUS:,}")
    return float(text)


def format_cpus(cpus: float) -> str:
    """Write a number of processors so that `parse_cpus` reads the same value back."""
    return f"{cpus:g}" if cpus == int(cpus) else f"{cpus:.3f}".rstrip("0")


def parse_rate(text: str) -> int:
    """Read a rate such as `10mbit`, in bits per second; units are powers of 1000, as in tc.

    Raises:
        ValueError: The text is no rate; the message says what to write.
    """
    if _BARE.fullmatch(text):
        raise ValueError(f'rate "{text}" has no unit; write for example "{text}mbit"')
    match = _RATE.fullmatch(text)
    if match is not None and match[2].lower().endswith("bps"):
        # tc's "mbps" is megabytes, everybody else's is megabits.
        raise ValueError('"bps" means bits to some and bytes to others; write for example "10mbit"')
    if match is None or match[2].lower() not in _RATE_UNITS:
        raise ValueError('expected a rate with a unit, such as "512kbit", "10mbit" or "1gbit"')
    rate = Fraction(match[1]) * _RATE_UNITS[match[2].lower()]
    if rate.denominator != 1:
        raise ValueError("the rate is not a whole number of bits per second")
    if rate > MAX_RATE_BIT_S:
        raise ValueError(f"the rate is more than {format_rate(MAX_RATE_BIT_S)}")
    return int(rate)


def format_rate(bit_s: int) -> str:
    """Write a rate so that `parse_rate` reads the same value back."""
    for unit in ("gbit", "mbit", "kbit"):
        whole, rest = divmod(bit_s, _RATE_UNITS[unit])
        if whole and not rest:
            return f"{whole}{unit}"
    return f"{bit_s}bit"


def parse_percentage(text: str) -> float:
    """Read a share such as `0.1%` as a fraction from 0 to 1.

    Raises:
        ValueError: The text is no percentage, or not between 0 % and 100 %.
    """
    if _BARE.fullmatch(text):
        raise ValueError(f'percentage "{text}" has no unit; write "{text}%"')
    match = _PERCENTAGE.fullmatch(text)
    if match is None:
        raise ValueError('expected a percentage, such as "0.1%" or "5%"')
    fraction = Fraction(match[1]) / 100
    if not 0 <= fraction <= 1:
        raise ValueError("must be between 0% and 100%")
    return float(fraction)


def format_percentage(fraction: float) -> str:
    """Write a share so that `parse_percentage` reads the same value back."""
    digits = format(Decimal(repr(fraction)).scaleb(2), "f")
    return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}%"
