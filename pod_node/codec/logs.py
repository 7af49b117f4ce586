"""Lines of logs as messages of node.v1."""

from __future__ import annotations

from pod_node.codec.times import US, to_us
from pod_node.history import LogWish
from pod_node.records import LogLines
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields

_STREAMS = {
    "stdout": pb.LOG_STREAM_STDOUT,
    "stderr": pb.LOG_STREAM_STDERR,
    "podnet": pb.LOG_STREAM_PODNET,
}


def lines_to_message(lines: LogLines, lost: int) -> pb.LogsResponse:
    """Write lines of a log."""
    return pb.LogsResponse(
        pod=lines.pod,
        stream=_STREAMS[lines.stream],
        time_unix_us=to_us(lines.time_s),
        lines=lines.lines,
        lost_lines=lost,
    )


def lines_from_message(message: pb.LogsResponse) -> tuple[LogLines, int]:
    """Read lines of a log, and how many are missing before them."""
    lines = LogLines(
        pod=message.pod,
        stream=fields.named("stream", _STREAMS, message.stream),
        time_s=message.time_unix_us / US,
        lines=tuple(message.lines),
    )
    return lines, message.lost_lines


def wish_to_message(wish: LogWish) -> pb.LogsRequest:
    """Write which lines somebody wants."""
    return pb.LogsRequest(
        pods=sorted(wish.pods),
        services=sorted(wish.services),
        follow=wish.follow,
        tail_lines=wish.tail,
        since_unix_us=to_us(wish.since_s),
        until_unix_us=to_us(wish.until_s or 0.0),
    )


def wish_from_message(message: pb.LogsRequest) -> LogWish:
    """Read which lines somebody wants."""
    return LogWish(
        pods=frozenset(message.pods),
        services=frozenset(message.services),
        follow=message.follow,
        tail=message.tail_lines if message.HasField("tail_lines") else None,
        since_s=message.since_unix_us / US,
        until_s=message.until_unix_us / US or None,
    )
