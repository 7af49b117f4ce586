"""A change of a link as a command line has it: a topology file's words, each with its value.

Owns the reading of all of them at once, so that somebody with two mistakes is told of both. What a
word means is `link_values.py`'s business. The schema of files is not needed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from orchestrator.topology import vocabulary
from orchestrator.topology.link_change import LinkChange, LinkChangeError, nanoseconds
from orchestrator.topology.link_values import (
    checked_link_duration,
    checked_mtu,
    checked_queue,
    parse_distribution,
    parse_link_duration,
    parse_link_rate,
    parse_link_share,
    parse_whole_number,
    split_bursts,
)
from vnet.configuration import GilbertElliott

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Value = TypeVar("_Value")


def parse_change(options: Mapping[str, str]) -> LinkChange:
    """Read a change.

    Args:
        options: A topology file's words for a link's parameters, and their values.

    Raises:
        LinkChangeError: Something cannot be read; the text says what to write.
    """
    reader = _Reader(options)
    change = LinkChange(
        delay_ns=nanoseconds(reader.read("delay", _duration)),
        jitter_ns=nanoseconds(reader.read("jitter", _duration)),
        distribution=reader.read("distribution", parse_distribution),
        loss=reader.read("loss", parse_link_share),
        gilbert_elliott=_bursts(reader),
        rate_bit_s=reader.read("rate", parse_link_rate),
        queue_packets=reader.read("limit", lambda text: checked_queue(parse_whole_number(text))),
        mtu_bytes=reader.read("mtu", lambda text: checked_mtu(parse_whole_number(text))),
        duplicate=reader.read("duplicate", parse_link_share),
        reorder=reader.read("reorder", parse_link_share),
        corrupt=reader.read("corrupt", parse_link_share),
    )
    reader.refuse_unknown()
    if reader.faults:
        raise LinkChangeError(tuple(reader.faults))
    return change


class _Reader:
    """Takes options one by one and notes what is wrong with them."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.faults: list[tuple[str, str]] = []
        """Each an option and what is wrong with it."""
        self._options = options
        self._known: list[str] = []

    def read(self, key: str, parse: Callable[[str], _Value]) -> _Value | None:
        """Take an option; None when it is not given or cannot be read."""
        self._known.append(key)
        text = self._options.get(key)
        return None if text is None else self.parsed(key, text, parse)

    def parsed(self, place: str, text: str, parse: Callable[[str], _Value]) -> _Value | None:
        """Read a word; None when that is not possible."""
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append((place, str(error)))
            return None

    def refuse_unknown(self) -> None:
        """Note the options that nobody has taken."""
        for key in self._options:
            if key not in self._known:
                text = vocabulary.unknown_key(key, self._known, vocabulary.IMPAIRMENTS)
                self.faults.append((key, text))


def _duration(text: str) -> float:
    return checked_link_duration(parse_link_duration(text))


def _bursts(reader: _Reader) -> GilbertElliott | None:
    words = reader.read("gemodel", split_bursts)
    if words is None:
        return None
    chances = {
        name: reader.parsed(f"gemodel.{name}", word, parse_link_share)
        for name, word in words.items()
    }
    return GilbertElliott(
        good_to_bad=chances["p"] or 0.0,
        bad_to_good=chances["r"] or 0.0,
        loss_in_bad=chances.get("1-h", 1.0) or 0.0,
        loss_in_good=chances.get("1-k", 0.0) or 0.0,
    )
