"""Numbers as people read them: sizes, rates, counts. Pure."""

from __future__ import annotations

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_RATES = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s")


def size_text(size_bytes: float) -> str:
    """Write a number of bytes, in powers of 1024."""
    return _scaled(size_bytes, 1024, _SIZES)


def rate_text(bytes_s: float | None) -> str:
    """Write bytes per second as bits per second, in powers of 1000 as tc does."""
    return "-" if bytes_s is None else _scaled(bytes_s * 8, 1000, _RATES)


def milliseconds(nanoseconds: int) -> str:
    """Write a time of the network."""
    return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds else "-"


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    power = 0
    # 1023.96 KiB would be shown as 1024.0 KiB.
    while round(abs(value), 1 if power else 0) >= base and power < len(units) - 1:
        value /= base
        power += 1
    return f"{value:.1f} {units[power]}" if power else f"{value:.0f} {units[0]}"
