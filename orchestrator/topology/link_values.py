"""The parameters of a link, each as the word that a person writes.

Owns their bounds, and the word that switches one off. `parse_*` reads a word, `checked_*` refuses a
value; both raise ValueError with the remedy. A file and a command line read them through here, so
that the same words mean the same in both.
"""

from __future__ import annotations

import re

from orchestrator.topology.problems import quoted, suggestion
from orchestrator.topology.units import (
    format_duration,
    parse_duration,
    parse_percentage,
    parse_rate,
)
from vnet.configuration import LEAST_MTU_BYTES, MOST_MTU_BYTES, Distribution

OFF = "0"
"""Written instead of any value of a link, switches it off."""
MAX_QUEUE = 1_000_000
"""Packets that may wait for a link's rate."""
MAX_LINK_DELAY_S = 3600
"""An hour; Mars is at most 23 minutes away."""

_WHOLE = re.compile("[0-9]{1,18}")
_BURSTS = ("p", "r", "1-h", "1-k")
"""netem's names for the chances of the Gilbert-Elliott model."""


def parse_link_duration(text: str) -> float:
    """Read a delay or a jitter, in seconds."""
    return 0.0 if text == OFF else parse_duration(text)


def checked_link_duration(seconds: float) -> float:
    """Refuse a delay or a jitter that nothing on Earth has."""
    if not 0 <= seconds <= MAX_LINK_DELAY_S:
        raise ValueError(f"must be between 0s and {format_duration(MAX_LINK_DELAY_S)}")
    return seconds


def parse_link_share(text: str) -> float:
    """Read how many packets something happens to, as a fraction from 0 to 1."""
    return 0.0 if text == OFF else parse_percentage(text)


def parse_link_rate(text: str) -> int:
    """Read a rate in bits per second; 0 is without limit."""
    return 0 if text == OFF else parse_rate(text)


def parse_whole_number(text: str) -> int:
    """Read a number of packets or bytes."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"expected a whole number, found {quoted(text)}")
    return int(text)


def checked_queue(packets: int) -> int:
    """Refuse a queue without end; 0 is the default."""
    if not 0 <= packets <= MAX_QUEUE:
        raise ValueError(f"must be between 1 and {MAX_QUEUE:,}")
    return packets


def checked_mtu(size_bytes: int) -> int:
    """Refuse a size that IPv4 does not allow for; 0 is the default."""
    if size_bytes and not LEAST_MTU_BYTES <= size_bytes <= MOST_MTU_BYTES:
        raise ValueError(f"must be between {LEAST_MTU_BYTES:,} and {MOST_MTU_BYTES:,}")
    return size_bytes


def parse_distribution(text: str) -> Distribution:
    """Read the name of a jitter's distribution."""
    words = [distribution.value for distribution in Distribution]
    if text not in words:
        hint = suggestion(text, words, what="values")
        raise ValueError(f"unknown value {quoted(text)}; {hint}")
    return Distribution(text)


def split_bursts(text: str) -> dict[str, str]:
    """Name the words of netem's `P R [1-H [1-K]]`; `0` is a chain without loss."""
    words = text.replace(",", " ").split()
    if words == [OFF]:
        words = ["0", "100%", "100%", "0"]
    if not 2 <= len(words) <= len(_BURSTS):
        raise ValueError('expected "P R 1-H 1-K" such as "1% 10% 100% 0%", or {p: 1%, r: 10%}')
    return dict(zip(_BURSTS, words, strict=False))
