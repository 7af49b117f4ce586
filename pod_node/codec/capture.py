"""Captures as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from protos.node.v1 import node_pb2 as pb
from vnet.capture import CaptureBatch, CaptureWish, InterfacePlace, LinkPlace
from vnet.codec import fields, packet_from_message, packet_to_message
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from vnet.capture import CapturePlace

MOST_SNAPSHOT_BYTES = 65_549
"""The largest IPv4 packet in an Ethernet frame."""


def capture_to_message(wish: CaptureWish) -> pb.CaptureRequest:
    """Write which packets to report."""
    request = pb.CaptureRequest(
        filter=wish.filter, snapshot_bytes=wish.snapshot_bytes, count=wish.count
    )
    match wish.place:
        case InterfacePlace(address):
            request.interface = str(address)
        case LinkPlace(link=link, forward=forward, backward=backward):
            request.link.link = link
            request.link.without_forward = not forward
            request.link.without_backward = not backward
        case _:
            assert_never(wish.place)
    return request


def capture_from_message(message: pb.CaptureRequest) -> CaptureWish:
    """Read which packets to report.

    Raises:
        InvalidMessageError: there is no place, or it makes no sense.
    """
    return CaptureWish(
        place=_place(message),
        filter=message.filter,
        snapshot_bytes=fields.within(
            "snapshot_bytes", message.snapshot_bytes, 0, MOST_SNAPSHOT_BYTES
        ),
        count=message.count,
    )


def _place(message: pb.CaptureRequest) -> CapturePlace:
    match message.WhichOneof("place"):
        case "interface":
            return InterfacePlace(fields.address("interface", message.interface))
        case "link":
            link = message.link
            if link.without_forward and link.without_backward:
                raise InvalidMessageError("link", "leaves out both directions")
            return LinkPlace(
                link=fields.filled("link.link", link.link),
                forward=not link.without_forward,
                backward=not link.without_backward,
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
