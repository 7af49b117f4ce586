"""Ranges of ports as messages."""

from __future__ import annotations

from protos.vnet.v1 import addresses_pb2 as pb
from vnet.codec import fields
from vnet.configuration import PortRange, Protocol

PROTOCOLS = {
    Protocol.TCP: pb.PROTOCOL_TCP,
    Protocol.UDP: pb.PROTOCOL_UDP,
}


def ports_to_message(ports: PortRange) -> pb.PortRange:
    """Write a range."""
    return pb.PortRange(first=ports.first, last=ports.last, protocol=PROTOCOLS[ports.protocol])


def ports_from_message(message: pb.PortRange) -> PortRange:
    """Read a range.

    Raises:
        InvalidMessageError: it is empty, or its protocol is none.
    """
    first = fields.port("ports.first", message.first, least=0)
    return PortRange(
        first=first,
        last=fields.within("ports.last", message.last, first, fields.MAX_PORT),
        protocol=fields.named("ports.protocol", PROTOCOLS, message.protocol),
    )
