"""Sockets as the kernel reports them.

Owns the layout of `struct flow_batch` and `struct flow_record` (`pod_node/kernel/host_flows.c`).
Pure.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.configuration import Protocol
from vnet.statistics import Endpoint, FlowStatistics, TcpSender, TcpState

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = struct.Struct("<2I")
_RECORD = struct.Struct("<8Q14I64s")

_PROTOCOLS = (Protocol.TCP, Protocol.UDP)
_STATES = (
    TcpState.LISTEN,
    TcpState.SYN_SENT,
    TcpState.ESTABLISHED,
    TcpState.FIN_WAIT,
    TcpState.CLOSE_WAIT,
    TcpState.CLOSING,
    TcpState.CLOSED,
)


def unpack_flows(batch: memoryview) -> tuple[int, Iterator[FlowStatistics]]:
    """Read one batch: the cursor of the next one, 0 at the end, and its flows."""
    following, count = _BATCH.unpack_from(batch)
    end = _BATCH.size + count * _RECORD.size
    return following, map(_flow, _RECORD.iter_unpack(batch[_BATCH.size : end]))


def _flow(fields: tuple[int | bytes, ...]) -> FlowStatistics:
    *numbers, pod = fields
    assert isinstance(pod, bytes)
    received, sent, smoothed, variation, timeout, segments, resent, timeouts, *small = map(
        int, numbers
    )
    kind, phase, paced, local, remote, local_port, remote_port, unread, unsent, *window = small
    protocol = _PROTOCOLS[kind]
    sender = TcpSender(
        mss_bytes=window[0],
        congestion_window_bytes=window[1],
        slow_start_threshold_bytes=window[2],
        in_flight_bytes=window[3],
        receive_window_bytes=window[4],
        smoothed_rtt_ns=smoothed,
        rtt_variation_ns=variation,
        retransmission_timeout_ns=timeout,
        segments=segments,
        retransmitted_segments=resent,
        timeouts=timeouts,
    )
    return FlowStatistics(
        pod=pod.split(b"\0")[0].decode(errors="replace"),
        protocol=protocol,
        local=Endpoint(address=IPv4Address(local), port=local_port),
        remote=Endpoint(address=IPv4Address(remote), port=remote_port) if remote_port else None,
        state=_STATES[phase] if protocol is Protocol.TCP else None,
        receive_queue=unread,
        send_queue=unsent,
        received_bytes=received,
        sent_bytes=sent,
        sender=sender if paced else None,
    )
