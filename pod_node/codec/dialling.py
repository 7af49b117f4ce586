"""Connections from outside as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.codec.times import US
from pod_node.dialling import DIAL_TIMEOUT_S
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from ipaddress import IPv4Address


def dial_to_message(address: IPv4Address, port: int, timeout_s: float) -> pb.DialRequest:
    """Write whom to connect to."""
    target = pb.DialTarget(address=str(address), port=port, timeout_us=round(timeout_s * US))
    return pb.DialRequest(target=target)


def dial_from_message(message: pb.DialRequest) -> tuple[IPv4Address, int, float]:
    """Read whom to connect to, and how long to wait.

    Raises:
        InvalidMessageError: it is not said first, or makes no sense.
    """
    if message.WhichOneof("step") != "target":
        raise InvalidMessageError("target", "must come first")
    target = message.target
    return (
        fields.address("address", target.address),
        fields.port("port", target.port),
        target.timeout_us / US or DIAL_TIMEOUT_S,
    )


async def payloads(messages: AsyncIterator[pb.DialRequest]) -> AsyncIterator[bytes]:
    """Read what is sent over a connection that is there."""
    async for message in messages:
        yield message.payload


def received_to_message(data: bytes) -> pb.DialResponse:
    """Write what was received; nothing is the end of it."""
    return pb.DialResponse(payload=data) if data else pb.DialResponse(end=pb.DialEnd())
