"""Lines of logs as messages of node.v1."""

from __future__ import annotations

from pod_node.codec.times import US, to_us
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
        lost_chunks=lost,
    )


def lines_from_message(message: pb.LogsResponse) -> tuple[LogLines, int]:
    """Read lines of a log, and how many chunks are missing before them."""
    lines = LogLines(
        pod=message.pod,
        stream=fields.named("stream", _STREAMS, message.stream),
        time_s=message.time_unix_us / US,
        lines=tuple(message.lines),
    )
    return lines, message.lost_chunks
