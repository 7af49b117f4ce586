"""What can be changed of a link, and how a change meets what was there.

Owns the merging: only what is given changes, zero switches something off. Also which parameters
contradict each other. Pure values; which link a change is for is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import OrchestratorError
from orchestrator.topology.units import format_duration
from vnet.configuration import (
    DEFAULT_MTU_BYTES,
    DEFAULT_QUEUE_PACKETS,
    Distribution,
    GilbertElliott,
    LinkParameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.topology.schema import GilbertElliottSection, ImpairmentsSection

_Number = TypeVar("_Number", int, float)

_NS = 10**9
TRANSPARENT = LinkParameters()
"""Of a link that might as well not be there."""


class LinkChangeError(OrchestratorError):
    """A link cannot have these parameters."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        super().__init__(faults)
        self.faults = faults
        """Each a parameter and what is wrong with it."""

    def __str__(self) -> str:
        return "; ".join(f"{key}: {message}" for key, message in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """New parameters of a link; None leaves one as it is, and zero switches it off."""

    delay_ns: int | None = None
    jitter_ns: int | None = None
    distribution: Distribution | None = None
    loss: float | None = None
    """Takes the place of loss in bursts, as the other way around."""
    gilbert_elliott: GilbertElliott | None = None
    """One that never loses anything switches it off."""
    rate_bit_s: int | None = None
    queue_packets: int | None = None
    """Zero for the default."""
    mtu_bytes: int | None = None
    """Zero for the default."""
    duplicate: float | None = None
    reorder: float | None = None
    corrupt: float | None = None

    def applied_to(self, base: LinkParameters) -> LinkParameters:
        """What a link with these parameters has after the change."""
        loss, bursts = base.loss, base.gilbert_elliott
        if self.gilbert_elliott is not None:
            bursts = self.gilbert_elliott if _loses(self.gilbert_elliott) else None
            loss = 0.0 if bursts is not None else loss
        if self.loss is not None:
            loss = self.loss
            bursts = bursts if self.gilbert_elliott is not None and not loss else None
        return LinkParameters(
            delay_ns=_given(self.delay_ns, base.delay_ns),
            jitter_ns=_given(self.jitter_ns, base.jitter_ns),
            distribution=self.distribution or base.distribution,
            loss=loss,
            gilbert_elliott=bursts,
            rate_bit_s=_given(self.rate_bit_s, base.rate_bit_s),
            queue_packets=_given(self.queue_packets, base.queue_packets) or DEFAULT_QUEUE_PACKETS,
            mtu_bytes=_given(self.mtu_bytes, base.mtu_bytes) or DEFAULT_MTU_BYTES,
            duplicate=_given(self.duplicate, base.duplicate),
            reorder=_given(self.reorder, base.reorder),
            corrupt=_given(self.corrupt, base.corrupt),
        )

    @property
    def contradicts_itself(self) -> bool:
        """Whether loss is asked for twice, which cannot be seen once the change is merged."""
        return bool(self.loss) and self.gilbert_elliott is not None and _loses(self.gilbert_elliott)


def change_from(section: ImpairmentsSection) -> LinkChange:
    """Turn what a file says into a change."""
    return LinkChange(
        delay_ns=nanoseconds(section.delay),
        jitter_ns=nanoseconds(section.jitter),
        distribution=section.distribution,
        loss=section.loss,
        gilbert_elliott=_gilbert_elliott(section.gemodel),
        rate_bit_s=section.rate,
        queue_packets=section.limit,
        mtu_bytes=section.mtu,
        duplicate=section.duplicate,
        reorder=section.reorder,
        corrupt=section.corrupt,
    )


def nanoseconds(seconds: float | None) -> int | None:
    """Turn a duration of a file into one of the network."""
    return None if seconds is None else round(seconds * _NS)


def contradictions(change: LinkChange, merged: LinkParameters) -> Iterator[tuple[str, str]]:
    """What a link cannot have at once, each with the parameter that is to blame.

    Args:
        change: What was asked for.
        merged: What the link has after it.
    """
    if change.contradicts_itself:
        yield "gemodel", 'replaces "loss"; keep one of the two'
    delay, jitter = format_duration(merged.delay_ns / _NS), format_duration(merged.jitter_ns / _NS)
    if merged.jitter_ns and not merged.delay_ns:
        yield "jitter", f"{jitter} of jitter need a delay around which it varies; add one"
    elif merged.jitter_ns > merged.delay_ns:
        yield "jitter", f"{jitter} is more than the delay of {delay}, around which it varies"
    if merged.reorder and not merged.delay_ns:
        yield "reorder", "needs a delay that the chosen packets can skip; add one"


def feasible(parameters: LinkParameters) -> LinkParameters:
    """Take from parameters what they have no ground for any more.

    Changes end independently of each other, so a delay may go before the jitter around it does.
    """
    jitter = min(parameters.jitter_ns, parameters.delay_ns)
    return replace(
        parameters,
        jitter_ns=jitter,
        distribution=parameters.distribution if jitter else Distribution.UNIFORM,
        reorder=parameters.reorder if parameters.delay_ns else 0.0,
        queue_packets=parameters.queue_packets if parameters.rate_bit_s else DEFAULT_QUEUE_PACKETS,
    )


def _given(value: _Number | None, otherwise: _Number) -> _Number:
    return otherwise if value is None else value


def _loses(bursts: GilbertElliott) -> bool:
    return bursts.loss_in_good > 0 or (bursts.good_to_bad > 0 and bursts.loss_in_bad > 0)


def _gilbert_elliott(section: GilbertElliottSection | None) -> GilbertElliott | None:
    if section is None:
        return None
    return GilbertElliott(
        good_to_bad=section.good_to_bad,
        bad_to_good=section.bad_to_good,
        loss_in_bad=section.loss_in_bad,
        loss_in_good=section.loss_in_good,
    )
