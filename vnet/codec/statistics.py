"""Counters of the virtual network as messages."""

from __future__ import annotations

from ipaddress import IPv4Address

from protos.vnet.v1 import addresses_pb2
from protos.vnet.v1 import statistics_pb2 as pb
from vnet.codec import fields
from vnet.codec.ports import PROTOCOLS
from vnet.statistics import (
    Endpoint,
    FlowStatistics,
    InterfaceStatistics,
    LinkStatistics,
    NetworkStatistics,
    PolicyStatistics,
    TcpSender,
    TcpState,
    TrafficStatistics,
)

_US = 1_000_000
_STATES = {
    TcpState.LISTEN: pb.TCP_STATE_LISTEN,
    TcpState.SYN_SENT: pb.TCP_STATE_SYN_SENT,
    TcpState.SYN_RECEIVED: pb.TCP_STATE_SYN_RECEIVED,
    TcpState.ESTABLISHED: pb.TCP_STATE_ESTABLISHED,
    TcpState.FIN_WAIT: pb.TCP_STATE_FIN_WAIT,
    TcpState.CLOSE_WAIT: pb.TCP_STATE_CLOSE_WAIT,
    TcpState.CLOSING: pb.TCP_STATE_CLOSING,
    TcpState.CLOSED: pb.TCP_STATE_CLOSED,
}


def statistics_to_message(statistics: NetworkStatistics) -> pb.NetworkStatistics:
    """Write all counters."""
    return pb.NetworkStatistics(
        time_unix_us=round(statistics.time_s * _US),
        links=[_link_to_message(link) for link in statistics.links],
        interfaces=[_interface_to_message(interface) for interface in statistics.interfaces],
        policies=[
            pb.PolicyStatistics(policy=policy.policy, denied=policy.denied, allowed=policy.allowed)
            for policy in statistics.policies
        ],
        flows=[_flow_to_message(flow) for flow in statistics.flows],
        traffic=[
            pb.TrafficStatistics(
                source_ipv4=int(pair.source), target_ipv4=int(pair.target), bytes=pair.bytes
            )
            for pair in statistics.traffic
        ],
    )


def statistics_from_message(message: pb.NetworkStatistics) -> NetworkStatistics:
    """Read all counters.

    Raises:
        InvalidMessageError: an address, a port or an enum is none.
    """
    return NetworkStatistics(
        time_s=message.time_unix_us / _US,
        links=tuple(_link_from_message(link) for link in message.links),
        interfaces=tuple(_interface_from_message(entry) for entry in message.interfaces),
        policies=tuple(
            PolicyStatistics(
                policy=policy.policy, denied=policy.denied, allowed=tuple(policy.allowed)
            )
            for policy in message.policies
        ),
        flows=tuple(_flow_from_message(flow) for flow in message.flows),
        traffic=tuple(
            TrafficStatistics(
                source=IPv4Address(pair.source_ipv4),
                target=IPv4Address(pair.target_ipv4),
                bytes=pair.bytes,
            )
            for pair in message.traffic
        ),
    )


def _link_to_message(link: LinkStatistics) -> pb.LinkStatistics:
    return pb.LinkStatistics(
        link=link.link,
        backward=link.backward,
        packets=link.packets,
        bytes=link.bytes,
        lost_packets=link.lost_packets,
        queue_full_packets=link.queue_full_packets,
        cut_packets=link.cut_packets,
        corrupted_packets=link.corrupted_packets,
        too_large_packets=link.too_large_packets,
        no_memory_packets=link.no_memory_packets,
        duplicated_packets=link.duplicated_packets,
        reordered_packets=link.reordered_packets,
        queued_packets=link.queued_packets,
        queued_most_packets=link.queued_most_packets,
    )


def _link_from_message(message: pb.LinkStatistics) -> LinkStatistics:
    return LinkStatistics(
        link=fields.filled("links.link", message.link),
        backward=message.backward,
        packets=message.packets,
        bytes=message.bytes,
        lost_packets=message.lost_packets,
        queue_full_packets=message.queue_full_packets,
        cut_packets=message.cut_packets,
        corrupted_packets=message.corrupted_packets,
        too_large_packets=message.too_large_packets,
        no_memory_packets=message.no_memory_packets,
        duplicated_packets=message.duplicated_packets,
        reordered_packets=message.reordered_packets,
        queued_packets=message.queued_packets,
        queued_most_packets=message.queued_most_packets,
    )


def _interface_to_message(interface: InterfaceStatistics) -> pb.InterfaceStatistics:
    return pb.InterfaceStatistics(
        address=str(interface.address),
        network=interface.network,
        pod=interface.pod,
        sent_bytes=interface.sent_bytes,
        received_bytes=interface.received_bytes,
        dropped_datagrams=interface.dropped_datagrams,
        cut_packets=interface.cut_packets,
        sent_datagrams=interface.sent_datagrams,
        received_datagrams=interface.received_datagrams,
        sent_echoes=interface.sent_echoes,
        received_echoes=interface.received_echoes,
        denied=interface.denied,
    )


def _interface_from_message(message: pb.InterfaceStatistics) -> InterfaceStatistics:
    return InterfaceStatistics(
        address=fields.address("interfaces.address", message.address),
        network=fields.filled("interfaces.network", message.network),
        pod=message.pod,
        sent_bytes=message.sent_bytes,
        received_bytes=message.received_bytes,
        dropped_datagrams=message.dropped_datagrams,
        cut_packets=message.cut_packets,
        sent_datagrams=message.sent_datagrams,
        received_datagrams=message.received_datagrams,
        sent_echoes=message.sent_echoes,
        received_echoes=message.received_echoes,
        denied=message.denied,
    )


def _flow_to_message(flow: FlowStatistics) -> pb.FlowStatistics:
    return pb.FlowStatistics(
        pod=flow.pod,
        protocol=PROTOCOLS[flow.protocol],
        local=_endpoint_to_message(flow.local),
        remote=None if flow.remote is None else _endpoint_to_message(flow.remote),
        state=pb.TCP_STATE_UNSPECIFIED if flow.state is None else _STATES[flow.state],
        receive_queue=flow.receive_queue,
        send_queue=flow.send_queue,
        received_bytes=flow.received_bytes,
        sent_bytes=flow.sent_bytes,
        sender=None if flow.sender is None else _sender_to_message(flow.sender),
    )


def _flow_from_message(message: pb.FlowStatistics) -> FlowStatistics:
    stateless = message.state == pb.TCP_STATE_UNSPECIFIED
    return FlowStatistics(
        pod=message.pod,
        protocol=fields.named("flows.protocol", PROTOCOLS, message.protocol),
        local=_endpoint_from_message(message.local),
        remote=_endpoint_from_message(message.remote) if message.HasField("remote") else None,
        state=None if stateless else fields.named("flows.state", _STATES, message.state),
        receive_queue=message.receive_queue,
        send_queue=message.send_queue,
        received_bytes=message.received_bytes,
        sent_bytes=message.sent_bytes,
        sender=_sender_from_message(message.sender) if message.HasField("sender") else None,
    )


def _endpoint_to_message(endpoint: Endpoint) -> addresses_pb2.Endpoint:
    return addresses_pb2.Endpoint(address=str(endpoint.address), port=endpoint.port)


def _endpoint_from_message(message: addresses_pb2.Endpoint) -> Endpoint:
    return Endpoint(
        address=fields.address("endpoint.address", message.address),
        port=fields.port("endpoint.port", message.port, least=0),
    )


def _sender_to_message(sender: TcpSender) -> pb.TcpSender:
    return pb.TcpSender(
        mss_bytes=sender.mss_bytes,
        congestion_window_bytes=sender.congestion_window_bytes,
        slow_start_threshold_bytes=sender.slow_start_threshold_bytes,
        in_flight_bytes=sender.in_flight_bytes,
        receive_window_bytes=sender.receive_window_bytes,
        smoothed_rtt_ns=sender.smoothed_rtt_ns,
        rtt_variation_ns=sender.rtt_variation_ns,
        retransmission_timeout_ns=sender.retransmission_timeout_ns,
        segments=sender.segments,
        retransmitted_segments=sender.retransmitted_segments,
        timeouts=sender.timeouts,
    )


def _sender_from_message(message: pb.TcpSender) -> TcpSender:
    return TcpSender(
        mss_bytes=message.mss_bytes,
        congestion_window_bytes=message.congestion_window_bytes,
        slow_start_threshold_bytes=message.slow_start_threshold_bytes,
        in_flight_bytes=message.in_flight_bytes,
        receive_window_bytes=message.receive_window_bytes,
        smoothed_rtt_ns=message.smoothed_rtt_ns,
        rtt_variation_ns=message.rtt_variation_ns,
        retransmission_timeout_ns=message.retransmission_timeout_ns,
        segments=message.segments,
        retransmitted_segments=message.retransmitted_segments,
        timeouts=message.timeouts,
    )
