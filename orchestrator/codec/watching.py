"""What somebody wants to hear of a running deployment, as messages of orchestrator.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.times import US, duration_to_us
from orchestrator.events.tallies import EventKind, Tallies
from orchestrator.views.deployment import EventOrder, LogOrder
from pod_node.codec import lines_from_message, lines_to_message, usage_to_message
from pod_node.dialling import DIAL_TIMEOUT_S
from protos.node.v1 import node_pb2
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from ipaddress import IPv4Address

    from pod_node.records import LogLines
    from pod_node.usage import NodeUsage


def log_order_to_message(order: LogOrder) -> pb.LogsRequest:
    """Write which lines somebody wants to read."""
    return pb.LogsRequest(
        targets=order.targets,
        follow=order.follow,
        tail_lines=order.tail,
        since_unix_us=None if order.since_s is None else round(order.since_s * US),
        until_unix_us=0 if order.until_s is None else max(1, round(order.until_s * US)),
    )


def log_order_from_message(message: pb.LogsRequest) -> LogOrder:
    """Read which lines somebody wants to read."""
    return LogOrder(
        targets=tuple(message.targets),
        follow=message.follow,
        tail=message.tail_lines if message.HasField("tail_lines") else None,
        since_s=message.since_unix_us / US if message.HasField("since_unix_us") else None,
        until_s=message.until_unix_us / US or None,
    )


def log_chunk_to_message(lines: LogLines, lost: int) -> pb.LogsResponse:
    """Write lines of a log."""
    return pb.LogsResponse(chunk=lines_to_message(lines, lost))


def log_chunk_from_message(message: pb.LogsResponse) -> tuple[LogLines, int]:
    """Read lines of a log, and how many are missing before them."""
    return lines_from_message(message.chunk)


def event_order_to_message(order: EventOrder) -> pb.EventsRequest:
    """Write which events somebody wants to hear of."""
    return pb.EventsRequest(
        since_unix_us=0 if order.since_s is None else max(1, round(order.since_s * US)),
        until_unix_us=0 if order.until_s is None else max(1, round(order.until_s * US)),
        initial_state=order.initial_state,
        types=sorted(order.types),
        members=sorted(order.members),
    )


def event_order_from_message(message: pb.EventsRequest) -> EventOrder:
    """Read which events somebody wants to hear of."""
    return EventOrder(
        since_s=message.since_unix_us / US or None,
        until_s=message.until_unix_us / US or None,
        initial_state=message.initial_state,
        types=frozenset(message.types),
        members=frozenset(message.members),
    )


def dial_to_message(name: str, port: int, timeout_s: float | None) -> pb.DialRequest:
    """Write whom to connect to."""
    target = pb.DialTarget(name=name, port=port, timeout_us=duration_to_us(timeout_s))
    return pb.DialRequest(target=target)


def dial_from_message(message: pb.DialRequest) -> tuple[str, int, float]:
    """Read whom to connect to, and how long to wait.

    Raises:
        InvalidMessageError: it is not said first, or makes no sense.
    """
    if message.WhichOneof("step") != "target":
        raise InvalidMessageError("target", "must come first")
    target = message.target
    timeout_s = target.timeout_us / US or DIAL_TIMEOUT_S
    return fields.filled("name", target.name), fields.port("port", target.port), timeout_s


async def payloads(messages: AsyncIterator[pb.DialRequest]) -> AsyncIterator[bytes]:
    """Read what is sent over a connection that is there."""
    async for message in messages:
        yield message.payload


def opened_to_message(pod: str, address: IPv4Address) -> pb.DialResponse:
    """Write that a connection is there."""
    return pb.DialResponse(opened=pb.DialOpened(pod=pod, address=str(address)))


def received_to_message(data: bytes) -> pb.DialResponse:
    """Write what was received; nothing is the end of it."""
    return pb.DialResponse(payload=data) if data else pb.DialResponse(end=node_pb2.DialEnd())


def statistics_to_message(usage: NodeUsage, tallies: Tallies) -> pb.StatisticsResponse:
    """Write what is used, and how often things happened."""
    services = tallies.egress_sent_bytes | tallies.egress_received_bytes
    return pb.StatisticsResponse(
        statistics=usage_to_message(usage),
        events=[
            pb.EventTally(type=kind.type, action=kind.action, service=kind.service, count=count)
            for kind, count in tallies.events.items()
        ],
        egress=[
            pb.EgressTally(
                service=service,
                sent_bytes=tallies.egress_sent_bytes[service],
                received_bytes=tallies.egress_received_bytes[service],
            )
            for service in services
        ],
    )


def tallies_from_message(message: pb.StatisticsResponse) -> Tallies:
    """Read how often things happened."""
    tallies = Tallies()
    for event in message.events:
        tallies.events[EventKind(event.type, event.action, event.service)] = event.count
    for egress in message.egress:
        tallies.egress_sent_bytes[egress.service] = egress.sent_bytes
        tallies.egress_received_bytes[egress.service] = egress.received_bytes
    return tallies
