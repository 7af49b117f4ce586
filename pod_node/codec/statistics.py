"""Use of resources as messages of node.v1."""

from __future__ import annotations

from pod_node.codec.times import US, to_us
from pod_node.usage import NodeUsage, PodUsage, ProcessUsage
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
        pods=[
            pb.PodStatistics(
                pod=pod.pod,
                cpu_time_us=to_us(pod.cpu_time_s),
                throttled_us=to_us(pod.throttled_s),
            )
            for pod in usage.pods
        ],
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
        pods=tuple(
            PodUsage(
                pod=pod.pod,
                cpu_time_s=pod.cpu_time_us / US,
                throttled_s=pod.throttled_us / US,
            )
            for pod in message.pods
        ),
    )
