"""What may leave the network, and what did, as messages.

Owns the checks of single values; whether a name can be one is for those to say who make rules.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from protos.vnet.v1 import egress_pb2 as pb
from vnet.codec import fields
from vnet.codec.ports import ports_from_message, ports_to_message
from vnet.configuration import Egress, EgressLimits, EgressRule, GuardedPorts
from vnet.egress import Decision, EgressAttempt, EgressEnded, Ending
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_US = 1_000_000
_DECISIONS = {
    Decision.ALLOWED: pb.EGRESS_DECISION_ALLOWED,
    Decision.DENIED: pb.EGRESS_DECISION_DENIED,
    Decision.FAILED: pb.EGRESS_DECISION_FAILED,
}
_ENDINGS = {
    Ending.CLOSED: pb.EGRESS_ENDING_CLOSED,
    Ending.RESET: pb.EGRESS_ENDING_RESET,
    Ending.LIMIT: pb.EGRESS_ENDING_LIMIT,
    Ending.IDLE: pb.EGRESS_ENDING_IDLE,
    Ending.POD_GONE: pb.EGRESS_ENDING_POD_GONE,
}


def egress_to_message(egress: Egress) -> pb.Egress:
    """Write what a service may reach."""
    return pb.Egress(
        service=egress.service,
        rules=[_rule_to_message(rule) for rule in egress.rules],
        max_connections=egress.limits.connections,
        max_transfer_bytes=egress.limits.transfer_bytes,
    )


def egress_from_message(message: pb.Egress) -> Egress:
    """Read what a service may reach.

    Raises:
        InvalidMessageError: a rule is about nobody, or its block or ports are none.
    """
    connections, transfer_bytes = message.max_connections, message.max_transfer_bytes
    limits = EgressLimits(
        connections=connections if message.HasField("max_connections") else None,
        transfer_bytes=transfer_bytes if message.HasField("max_transfer_bytes") else None,
    )
    return Egress(
        service=fields.filled("egress.service", message.service),
        rules=tuple(_rule_from_message(rule) for rule in message.rules),
        limits=limits,
    )


def _rule_to_message(rule: EgressRule) -> pb.EgressRule:
    message = pb.EgressRule(text=rule.text, ports=ports_to_message(rule.ports))
    if rule.block is None:
        message.name = rule.name
    else:
        message.block_cidr = str(rule.block)
    return message


def _rule_from_message(message: pb.EgressRule) -> EgressRule:
    ports = ports_from_message(message.ports)
    if message.WhichOneof("peer") == "block_cidr":
        return EgressRule(text=message.text, block=_block(message.block_cidr), ports=ports)
    name = fields.filled("egress.rules.name", message.name)
    return EgressRule(text=message.text, name=name, ports=ports)


def guarded_to_message(guarded: GuardedPorts) -> pb.GuardedPorts:
    """Write what egress rules do not open."""
    return pb.GuardedPorts(
        addresses=[str(address) for address in guarded.addresses],
        ports=[ports_to_message(ports) for ports in guarded.ports],
        here=guarded.is_here,
        reason=guarded.reason,
    )


def guarded_from_message(message: pb.GuardedPorts) -> GuardedPorts:
    """Read what egress rules do not open.

    Raises:
        InvalidMessageError: an address or a port is none.
    """
    try:
        addresses = tuple(ip_address(text) for text in message.addresses)
    except ValueError as error:
        raise InvalidMessageError("guarded.addresses", str(error)) from error
    return GuardedPorts(
        addresses=addresses,
        ports=tuple(ports_from_message(ports) for ports in message.ports),
        is_here=message.here,
        reason=fields.filled("guarded.reason", message.reason),
    )


def _block(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidMessageError("egress.rules.block_cidr", str(error)) from error


def attempt_to_message(attempt: EgressAttempt) -> pb.EgressAttempt:
    """Write an attempt to leave."""
    return pb.EgressAttempt(
        number=attempt.number,
        pod=attempt.pod,
        service=attempt.service,
        target=attempt.target,
        port=attempt.port,
        decision=_DECISIONS[attempt.decision],
        rule=attempt.rule,
        address=attempt.address,
        reason=attempt.reason,
        duration_us=round(attempt.duration_s * _US),
    )


def attempt_from_message(message: pb.EgressAttempt) -> EgressAttempt:
    """Read an attempt to leave.

    Raises:
        InvalidMessageError: its decision is none.
    """
    return EgressAttempt(
        number=message.number,
        pod=message.pod,
        service=message.service,
        target=message.target,
        port=message.port,
        decision=fields.named("decision", _DECISIONS, message.decision),
        rule=message.rule,
        address=message.address,
        reason=message.reason,
        duration_s=message.duration_us / _US,
    )


def ended_to_message(ended: EgressEnded) -> pb.EgressEnded:
    """Write the end of a connection."""
    return pb.EgressEnded(
        number=ended.number,
        pod=ended.pod,
        service=ended.service,
        target=ended.target,
        port=ended.port,
        ending=_ENDINGS[ended.ending],
        sent_bytes=ended.sent_bytes,
        received_bytes=ended.received_bytes,
        duration_us=round(ended.duration_s * _US),
    )


def ended_from_message(message: pb.EgressEnded) -> EgressEnded:
    """Read the end of a connection.

    Raises:
        InvalidMessageError: the way it ended is none.
    """
    return EgressEnded(
        number=message.number,
        pod=message.pod,
        service=message.service,
        target=message.target,
        port=message.port,
        ending=fields.named("ending", _ENDINGS, message.ending),
        sent_bytes=message.sent_bytes,
        received_bytes=message.received_bytes,
        duration_s=message.duration_us / _US,
    )
