"""Networks, names and pings as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protos.node.v1 import node_pb2 as pb
from protos.vnet.v1 import names_pb2
from vnet.codec import fields
from vnet.ping import EchoOutcome, EchoResult, NumberedEcho, PingPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

MOST_ECHO_BYTES = 65_507
"""Payload of the largest packet (65,535 with headers of 28)."""
MOST_PING_MS = 3_600_000
"""An hour; longer intervals and time-outs are mistakes."""

_OUTCOMES = {
    EchoOutcome.REPLY: pb.ECHO_OUTCOME_REPLY,
    EchoOutcome.TIMEOUT: pb.ECHO_OUTCOME_TIMEOUT,
    EchoOutcome.HOST_UNREACHABLE: pb.ECHO_OUTCOME_HOST_UNREACHABLE,
    EchoOutcome.NETWORK_UNREACHABLE: pb.ECHO_OUTCOME_NETWORK_UNREACHABLE,
    EchoOutcome.DENIED: pb.ECHO_OUTCOME_DENIED,
}


def network_from_message(message: pb.Network) -> tuple[str, IPv4Network]:
    """Read a network's name and subnet."""
    subnet = fields.network("subnet_cidr", message.subnet_cidr)
    return fields.filled("name", message.name), subnet


def names_to_message(names: Mapping[str, Sequence[IPv4Address]]) -> list[names_pb2.NameRecord]:
    """Write a table of names."""
    return [
        names_pb2.NameRecord(name=name, addresses=[str(address) for address in addresses])
        for name, addresses in names.items()
    ]


def names_from_message(records: Iterable[names_pb2.NameRecord]) -> dict[str, list[IPv4Address]]:
    """Read a table of names."""
    return {
        record.name: list(fields.addresses("addresses", record.addresses)) for record in records
    }


def plan_to_message(plan: PingPlan) -> pb.PingPlan:
    """Write how to ask."""
    return pb.PingPlan(
        count=plan.count,
        interval_ms=round(plan.interval_s * 1000),
        payload_bytes=plan.payload_bytes,
        timeout_ms=round(plan.timeout_s * 1000),
    )


def plan_from_message(message: pb.PingPlan) -> PingPlan:
    """Read how to ask.

    Raises:
        InvalidMessageError: a number is out of its range.
    """
    return PingPlan(
        count=message.count,
        interval_s=fields.within("interval_ms", message.interval_ms, 1, MOST_PING_MS) / 1000,
        payload_bytes=fields.within("payload_bytes", message.payload_bytes, 0, MOST_ECHO_BYTES),
        timeout_s=fields.within("timeout_ms", message.timeout_ms, 1, MOST_PING_MS) / 1000,
    )


def ping_to_message(source: IPv4Address, target: IPv4Address, plan: PingPlan) -> pb.PingRequest:
    """Write who asks whom, and how."""
    return pb.PingRequest(source=str(source), target=str(target), plan=plan_to_message(plan))


def ping_from_message(message: pb.PingRequest) -> tuple[IPv4Address, IPv4Address, PingPlan]:
    """Read who asks whom, and how.

    Raises:
        InvalidMessageError: an address is none, or a number is out of its range.
    """
    source = fields.address("source", message.source)
    target = fields.address("target", message.target)
    return source, target, plan_from_message(message.plan)


def echo_to_message(echo: NumberedEcho) -> pb.PingResponse:
    """Write what became of a request."""
    return pb.PingResponse(
        sequence=echo.sequence,
        outcome=_OUTCOMES[echo.result.outcome],
        rtt_ns=echo.result.rtt_ns,
        policy=echo.result.policy,
    )


def echo_from_message(message: pb.PingResponse) -> NumberedEcho:
    """Read what became of a request."""
    outcome = fields.named("outcome", _OUTCOMES, message.outcome)
    result = EchoResult(outcome=outcome, rtt_ns=message.rtt_ns, policy=message.policy)
    return NumberedEcho(sequence=message.sequence, result=result)
