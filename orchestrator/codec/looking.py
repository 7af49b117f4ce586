"""Pings and captures of a running deployment as messages of orchestrator.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.changes import DIRECTIONS, ends_to_message
from orchestrator.views.deployment import CaptureOrder, LinkAim, PingEnds, PodAim
from pod_node.codec import echo_from_message, echo_to_message
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.capture import CaptureBatch
from vnet.codec import fields, packet_from_message, packet_to_message
from vnet.errors import InvalidMessageError
from vnet.ping import NumberedEcho

if TYPE_CHECKING:
    from orchestrator.views.deployment import PingStep


def ping_step_to_message(step: PingStep) -> pb.PingResponse:
    """Write who asks whom, or what became of a request."""
    if isinstance(step, NumberedEcho):
        return pb.PingResponse(echo=echo_to_message(step))
    begun = pb.PingBegun(
        source=step.source,
        source_address=str(step.source_address),
        target=step.target,
        target_address=str(step.target_address),
    )
    return pb.PingResponse(begun=begun)


def ping_step_from_message(message: pb.PingResponse) -> PingStep:
    """Read who asks whom, or what became of a request."""
    match message.WhichOneof("step"):
        case "echo":
            return echo_from_message(message.echo)
        case "begun":
            begun = message.begun
            return PingEnds(
                source=begun.source,
                source_address=fields.address("source_address", begun.source_address),
                target=begun.target,
                target_address=fields.address("target_address", begun.target_address),
            )
        case _:
            raise InvalidMessageError("step", "is missing")


def order_to_message(order: CaptureOrder) -> pb.CaptureRequest:
    """Write which packets somebody wants to see."""
    request = pb.CaptureRequest(
        filter=order.filter, snapshot_bytes=order.snapshot_bytes, count=order.count
    )
    aim = order.aim
    if isinstance(aim, PodAim):
        request.pod = aim.pod
        request.network = aim.network or ""
    else:
        request.link.CopyFrom(ends_to_message(aim.first, aim.second, aim.network))
        request.direction = DIRECTIONS[aim.direction]
    return request


def order_from_message(message: pb.CaptureRequest) -> CaptureOrder:
    """Read which packets somebody wants to see.

    Raises:
        InvalidMessageError: there is no place, or the direction is none.
    """
    return CaptureOrder(
        aim=_aim(message),
        filter=message.filter,
        snapshot_bytes=message.snapshot_bytes,
        count=message.count,
    )


def _aim(message: pb.CaptureRequest) -> PodAim | LinkAim:
    match message.WhichOneof("place"):
        case "pod":
            return PodAim(pod=fields.filled("pod", message.pod), network=message.network or None)
        case "link":
            return LinkAim(
                first=fields.filled("link.first", message.link.first),
                second=fields.filled("link.second", message.link.second),
                network=message.link.network or None,
                direction=fields.named("direction", DIRECTIONS, message.direction),
            )
        case _:
            raise InvalidMessageError("place", "is missing")


def batch_to_message(batch: CaptureBatch) -> pb.CaptureResponse:
    """Write packets that passed."""
    records = [packet_to_message(packet) for packet in batch.packets]
    return pb.CaptureResponse(records=records, lost_records=batch.lost)


def batch_from_message(message: pb.CaptureResponse) -> CaptureBatch:
    """Read packets that passed."""
    packets = tuple(packet_from_message(record) for record in message.records)
    return CaptureBatch(packets=packets, lost=message.lost_records)
