"""What somebody wants to hear of a running deployment, as messages of orchestrator.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.times import US
from orchestrator.views import EventOrder, LogOrder
from pod_node.codec import lines_from_message, lines_to_message
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from pod_node.records import LogLines


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
