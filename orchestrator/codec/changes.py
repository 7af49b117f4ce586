"""Changes of a running deployment's network as messages of orchestrator.v1.

Owns both directions. Numbers are checked for their ranges here; whether a change makes sense in the
topology is for the deployment to say.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError, Message

from orchestrator.codec.times import duration_from_us, duration_to_us
from orchestrator.network.changes import Impairment, Mend, Part, ResetLink, ResetLinks, SetLink
from orchestrator.topology.link_change import LinkChange
from orchestrator.topology.values import LinkDirection
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.vnet.v1 import links_pb2
from vnet.codec import fields
from vnet.codec.configuration import DISTRIBUTIONS, bursts_from_message, bursts_to_message
from vnet.configuration import LEAST_MTU_BYTES, MOST_MTU_BYTES, FaultKind
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTIONS = {
    LinkDirection.BOTH: pb.LINK_DIRECTION_UNSPECIFIED,
    LinkDirection.FORWARD: pb.LINK_DIRECTION_FORWARD,
    LinkDirection.BACKWARD: pb.LINK_DIRECTION_BACKWARD,
}


def ends_to_message(first: str, second: str, network: str | None) -> pb.LinkEnds:
    """Write which link is meant."""
    return pb.LinkEnds(first=first, second=second, network=network or "")


def set_link_to_message(wanted: SetLink) -> pb.SetLinkRequest:
    """Write a change of a link."""
    return pb.SetLinkRequest(
        ends=ends_to_message(wanted.first, wanted.second, wanted.network),
        change=_change_to_message(wanted.change),
        direction=DIRECTIONS[wanted.direction],
        duration_us=duration_to_us(wanted.duration_s),
    )


def set_link_from_message(message: pb.SetLinkRequest) -> SetLink:
    """Read a change of a link.

    Raises:
        InvalidMessageError: a parameter is out of its range.
    """
    return SetLink(
        first=fields.filled("ends.first", message.ends.first),
        second=fields.filled("ends.second", message.ends.second),
        network=message.ends.network or None,
        change=_change_from_message(message.change),
        direction=fields.named("direction", DIRECTIONS, message.direction),
        duration_s=duration_from_us(message.duration_us),
    )


def reset_to_message(wanted: ResetLink | ResetLinks) -> pb.ResetLinksRequest:
    """Write which links to reset."""
    if isinstance(wanted, ResetLinks):
        return pb.ResetLinksRequest()
    return pb.ResetLinksRequest(ends=ends_to_message(wanted.first, wanted.second, wanted.network))


def reset_from_message(message: pb.ResetLinksRequest) -> ResetLink | ResetLinks:
    """Read which links to reset.

    Raises:
        InvalidMessageError: an end is missing.
    """
    if not message.HasField("ends"):
        return ResetLinks()
    ends = message.ends
    return ResetLink(
        first=fields.filled("ends.first", ends.first),
        second=fields.filled("ends.second", ends.second),
        network=ends.network or None,
    )


def partition_to_message(wanted: Part) -> pb.PartitionRequest:
    """Write a partition."""
    return pb.PartitionRequest(
        sides=_sides_to_message(wanted.groups),
        one_way=wanted.oneway,
        duration_us=duration_to_us(wanted.duration_s),
        name=wanted.name or "",
    )


def hold_to_message(wanted: Part) -> pb.HoldRequest:
    """Write a hold."""
    return pb.HoldRequest(
        sides=_sides_to_message(wanted.groups),
        one_way=wanted.oneway,
        duration_us=duration_to_us(wanted.duration_s),
        name=wanted.name or "",
    )


def part_from_message(message: pb.PartitionRequest | pb.HoldRequest) -> Part:
    """Read a partition or a hold."""
    return Part(
        kind=FaultKind.CUT if isinstance(message, pb.PartitionRequest) else FaultKind.HOLD,
        groups=tuple(tuple(side.members) for side in message.sides),
        oneway=message.one_way,
        name=message.name or None,
        duration_s=duration_from_us(message.duration_us),
    )


def mend_from_message(message: pb.HealRequest | pb.ReleaseRequest) -> Mend:
    """Read which partitions or holds to end."""
    kind = FaultKind.CUT if isinstance(message, pb.HealRequest) else FaultKind.HOLD
    return Mend(kind=kind, name=message.name or None)


def impairment_to_text(impairment: Impairment) -> str:
    """Write a change of links or faults that is in force, to be kept; without its duration.

    Preconditions: it is a `SetLink` or a `Part`.
    """
    if isinstance(impairment, SetLink):
        return "link " + _text(set_link_to_message(replace(impairment, duration_s=None)))
    assert isinstance(impairment, Part), "only these stay in force"
    plain = replace(impairment, duration_s=None)
    if impairment.kind is FaultKind.CUT:
        return "partition " + _text(partition_to_message(plain))
    return "hold " + _text(hold_to_message(plain))


def impairment_from_text(text: str, duration_s: float | None) -> Impairment:
    """Read a change that was kept.

    Raises:
        InvalidMessageError: it makes no sense.
    """
    word, _, encoded = text.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
        match word:
            case "link":
                link = set_link_from_message(pb.SetLinkRequest.FromString(raw))
                return replace(link, duration_s=duration_s)
            case "partition":
                cut = part_from_message(pb.PartitionRequest.FromString(raw))
                return replace(cut, duration_s=duration_s)
            case "hold":
                hold = part_from_message(pb.HoldRequest.FromString(raw))
                return replace(hold, duration_s=duration_s)
    except (ValueError, DecodeError) as error:
        raise InvalidMessageError("change", str(error)) from error
    raise InvalidMessageError("change", f"{word} is unknown")


def _text(message: Message) -> str:
    return base64.b64encode(message.SerializeToString()).decode()


def _sides_to_message(sides: Iterable[Iterable[str]]) -> list[pb.PodSet]:
    return [pb.PodSet(members=side) for side in sides]


def _change_to_message(change: LinkChange) -> pb.LinkChange:
    bursts, distribution = change.gilbert_elliott, change.distribution
    unchanged = links_pb2.DISTRIBUTION_UNSPECIFIED
    return pb.LinkChange(
        delay_ns=change.delay_ns,
        jitter_ns=change.jitter_ns,
        distribution=unchanged if distribution is None else DISTRIBUTIONS[distribution],
        loss_fraction=change.loss,
        gilbert_elliott=None if bursts is None else bursts_to_message(bursts),
        rate_bit_s=change.rate_bit_s,
        queue_packets=change.queue_packets,
        mtu_bytes=change.mtu_bytes,
        duplicate_fraction=change.duplicate,
        reorder_fraction=change.reorder,
        corrupt_fraction=change.corrupt,
    )


def _change_from_message(message: pb.LinkChange) -> LinkChange:
    distribution = None
    if message.distribution != links_pb2.DISTRIBUTION_UNSPECIFIED:
        distribution = fields.named("distribution", DISTRIBUTIONS, message.distribution)
    has_bursts = message.HasField("gilbert_elliott")
    return LinkChange(
        delay_ns=_integer(message, "delay_ns"),
        jitter_ns=_integer(message, "jitter_ns"),
        distribution=distribution,
        loss=_fraction(message, "loss_fraction"),
        gilbert_elliott=bursts_from_message(message.gilbert_elliott) if has_bursts else None,
        rate_bit_s=_integer(message, "rate_bit_s"),
        queue_packets=_integer(message, "queue_packets"),
        mtu_bytes=_mtu(message),
        duplicate=_fraction(message, "duplicate_fraction"),
        reorder=_fraction(message, "reorder_fraction"),
        corrupt=_fraction(message, "corrupt_fraction"),
    )


def _integer(message: pb.LinkChange, field: str) -> int | None:
    return int(getattr(message, field)) if message.HasField(field) else None


def _fraction(message: pb.LinkChange, field: str) -> float | None:
    if not message.HasField(field):
        return None
    return fields.fraction(field, getattr(message, field))


def _mtu(message: pb.LinkChange) -> int | None:
    mtu = _integer(message, "mtu_bytes")
    if mtu and not LEAST_MTU_BYTES <= mtu <= MOST_MTU_BYTES:
        reason = f"{mtu} is not 0 or {LEAST_MTU_BYTES} to {MOST_MTU_BYTES}"
        raise InvalidMessageError("mtu_bytes", reason)
    return mtu
