"""How the parameters of a link are written for people, with a topology file's words.

Owns the texts; `link_change.py` reads them back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.topology.units import format_duration, format_percentage, format_rate
from vnet.configuration import LinkParameters

if TYPE_CHECKING:
    from vnet.configuration import GilbertElliott

_NS = 10**9


def parameter_texts(parameters: LinkParameters) -> dict[str, str]:
    """Write those parameters that differ from a link that might as well not be there."""
    texts = _texts(parameters)
    return {key: text for key, text in texts.items() if text != _PLAIN[key]}


def summary(parameters: LinkParameters) -> str:
    """Write parameters in one short line; empty for a link that does nothing."""
    texts = parameter_texts(parameters)
    if "jitter" in texts:
        texts["delay"] += f" ±{texts.pop('jitter')}"
        if "distribution" in texts:
            texts["delay"] += f" {texts.pop('distribution')}"
    bare = ("delay", "rate")
    return ", ".join(text if key in bare else f"{key} {text}" for key, text in texts.items())


def _texts(parameters: LinkParameters) -> dict[str, str]:
    bursts = parameters.gilbert_elliott
    return {
        "delay": format_duration(parameters.delay_ns / _NS),
        "jitter": format_duration(parameters.jitter_ns / _NS),
        "distribution": parameters.distribution.value,
        "loss": format_percentage(parameters.loss),
        "gemodel": "0" if bursts is None else _bursts_text(bursts),
        "rate": format_rate(parameters.rate_bit_s),
        "limit": str(parameters.queue_packets),
        "mtu": str(parameters.mtu_bytes),
        "duplicate": format_percentage(parameters.duplicate),
        "reorder": format_percentage(parameters.reorder),
        "corrupt": format_percentage(parameters.corrupt),
    }


def _bursts_text(bursts: GilbertElliott) -> str:
    chances = (
        bursts.good_to_bad,
        bursts.bad_to_good,
        bursts.loss_in_bad,
        bursts.loss_in_good,
    )
    return " ".join(map(format_percentage, chances))


_PLAIN = _texts(LinkParameters())
