"""Use of resources as messages of node.v1."""

from __future__ import annotations

from pod_node.codec.times import US, to_us
from pod_node.usage import NodeUsage, PodUsage, PortalUsage, ProcessUsage
from protos.node.v1 import node_pb2 as pb


def usage_to_message(usage: NodeUsage) -> pb.StatisticsResponse:
    """Write what a node and its pods use."""
    process = usage.process
    return pb.StatisticsResponse(
        time_unix_us=to_us(process.time_s),
        node=pb.NodeStatistics(
            running_pods=usage.running_pods,
            resident_bytes=process.resident_bytes,
            cpu_time_us=to_us(process.cpu_time_s),
            memory_maps=process.memory_maps,
            fabric_used_bytes=usage.fabric_used_bytes,
            fabric_limit_bytes=usage.fabric_limit_bytes,
        ),
        pods=[_pod_to_message(pod) for pod in usage.pods],
        portals=[_portal_to_message(portal) for portal in usage.portals],
    )


def usage_from_message(message: pb.StatisticsResponse) -> NodeUsage:
    """Read what a node and its pods use."""
    node = message.node
    return NodeUsage(
        process=ProcessUsage(
            time_s=message.time_unix_us / US,
            resident_bytes=node.resident_bytes,
            cpu_time_s=node.cpu_time_us / US,
            memory_maps=node.memory_maps,
        ),
        running_pods=node.running_pods,
        fabric_used_bytes=node.fabric_used_bytes,
        fabric_limit_bytes=node.fabric_limit_bytes,
        pods=tuple(_pod_from_message(pod) for pod in message.pods),
        portals=tuple(_portal_from_message(portal) for portal in message.portals),
    )


def _pod_to_message(pod: PodUsage) -> pb.PodStatistics:
    return pb.PodStatistics(
        pod=pod.pod,
        cpu_time_us=to_us(pod.cpu_time_s),
        throttled_us=to_us(pod.throttled_s),
        memory_bytes=pod.memory_bytes,
        memory_limit_bytes=pod.memory_limit_bytes,
        fabric_bytes=pod.fabric_bytes,
        fabric_limit_bytes=pod.fabric_limit_bytes,
        sockets=pod.sockets,
        sockets_limit=pod.sockets_limit,
        descriptors=pod.descriptors,
        descriptors_limit=pod.descriptors_limit,
        processes=pod.processes,
    )


def _pod_from_message(message: pb.PodStatistics) -> PodUsage:
    return PodUsage(
        pod=message.pod,
        cpu_time_s=message.cpu_time_us / US,
        throttled_s=message.throttled_us / US,
        memory_bytes=message.memory_bytes,
        memory_limit_bytes=message.memory_limit_bytes,
        fabric_bytes=message.fabric_bytes,
        fabric_limit_bytes=message.fabric_limit_bytes,
        sockets=message.sockets,
        sockets_limit=message.sockets_limit,
        descriptors=message.descriptors,
        descriptors_limit=message.descriptors_limit,
        processes=message.processes,
    )


def _portal_to_message(portal: PortalUsage) -> pb.PortalStatistics:
    return pb.PortalStatistics(
        service=portal.service,
        port=portal.port,
        connections=portal.connections,
        requests=portal.requests,
        responses=portal.responses,
        failures=portal.failures,
        refused=portal.refused,
        websockets=portal.websockets,
        received_bytes=portal.received_bytes,
        sent_bytes=portal.sent_bytes,
        latency_counts=portal.latency_counts,
        latency_sum_us=to_us(portal.latency_sum_s),
    )


def _portal_from_message(message: pb.PortalStatistics) -> PortalUsage:
    two, three, four, five = (*message.responses, 0, 0, 0, 0)[:4]
    return PortalUsage(
        service=message.service,
        port=message.port,
        connections=message.connections,
        requests=message.requests,
        responses=(two, three, four, five),
        failures=message.failures,
        refused=message.refused,
        websockets=message.websockets,
        received_bytes=message.received_bytes,
        sent_bytes=message.sent_bytes,
        latency_counts=tuple(message.latency_counts),
        latency_sum_s=message.latency_sum_us / US,
    )
