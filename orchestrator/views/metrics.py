"""A running deployment as Prometheus metrics.

Owns the names, which docs/metrics.md lists, and their labels. Labels are names that the topology or
this module has: services, pods, networks, links, policies, phases, causes. Nothing that a guest or
a client can choose becomes one, so there are only so many series. Exposition is
prometheus_client's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from orchestrator.launch.reachable import ready_pods
from vnet.configuration import FaultKind
from vnet.latency import BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import Metric

    from orchestrator.events.tallies import Tallies
    from orchestrator.views.deployment import DeploymentView
    from pod_node.usage import NodeUsage, PortalUsage
    from vnet.statistics import LinkStatistics, NetworkStatistics

_FAULTS = {FaultKind.CUT: "partition", FaultKind.HOLD: "hold"}
Row = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything at about one moment."""

    view: DeploymentView
    usage: NodeUsage
    network: NetworkStatistics
    tallies: Tallies


def metrics_of(measured: Measured) -> Iterator[Metric]:
    """Turn all of it into metrics; every name comes once."""
    yield from _pods(measured)
    yield from _use(measured)
    yield from _node(measured.usage)
    yield from _links(measured.network.links)
    yield from _interfaces(measured)
    yield from _policies(measured.network)
    yield from _portals(measured.usage.portals)
    yield from _events(measured.tallies)
    faults = Counter(_FAULTS[fault.kind] for fault in measured.view.faults)
    rows = [((kind,), float(faults[kind])) for kind in _FAULTS.values()]
    yield _gauge("podnet_faults", "Faults that are active", ("kind",), rows)


def _pods(measured: Measured) -> Iterator[Metric]:
    pods = measured.view.pods
    phases = Counter((pod.spec.service, pod.phase.value) for pod in pods)
    yield _gauge(
        "podnet_pods",
        "Pods by where they are in their lives",
        ("service", "phase"),
        [(labels, float(count)) for labels, count in phases.items()],
    )
    ready = ready_pods(pods)
    labels = ("service", "pod")
    named = [((pod.spec.service, pod.spec.name), pod) for pod in pods]
    yield _gauge(
        "podnet_pod_ready",
        "Whether a pod gets traffic",
        labels,
        [(names, float(pod.spec.name in ready)) for names, pod in named],
    )
    yield _gauge(
        "podnet_pod_paused",
        "Whether a pod is kept from running",
        labels,
        [(names, float(pod.paused)) for names, pod in named],
    )
    yield _counter(
        "podnet_pod_restarts",
        "How often a pod was started again",
        labels,
        [(names, float(pod.restarts)) for names, pod in named],
    )
    yield _gauge(
        "podnet_pod_boot_duration_seconds",
        "From the request to the guest's first instruction, of the latest boot",
        labels,
        [(names, pod.boot_s) for names, pod in named if pod.boot_s is not None],
    )


def _use(measured: Measured) -> Iterator[Metric]:
    service_of = {pod.spec.name: pod.spec.service for pod in measured.view.pods}
    rows = [((service_of.get(pod.pod, ""), pod.pod), pod) for pod in measured.usage.pods]
    labels = ("service", "pod")
    counted = (
        ("cpu_seconds", "CPU time of a pod", [(n, pod.cpu_time_s) for n, pod in rows]),
        (
            "throttled_seconds",
            "Time for which a pod waited because its share of a processor was used up",
            [(n, pod.throttled_s) for n, pod in rows],
        ),
    )
    for name, text, values in counted:
        yield _counter(f"podnet_pod_{name}", text, labels, values)
    gauges = (
        ("memory_bytes", "Linear memory of a pod", "memory_bytes"),
        ("memory_limit_bytes", "What a pod's linear memory may grow to", "memory_limit_bytes"),
        ("fabric_bytes", "Bytes of the fabric that a pod's sockets hold", "fabric_bytes"),
        ("fabric_limit_bytes", "What those may grow to", "fabric_limit_bytes"),
        ("sockets", "Sockets of a pod", "sockets"),
        ("sockets_limit", "How many it may have", "sockets_limit"),
        ("open_descriptors", "Open descriptors of a pod's processes", "descriptors"),
        ("processes", "Processes of a pod", "processes"),
    )
    for name, text, attribute in gauges:
        values = [(names, float(getattr(pod, attribute))) for names, pod in rows]
        yield _gauge(f"podnet_pod_{name}", text, labels, values)


def _node(usage: NodeUsage) -> Iterator[Metric]:
    process = usage.process
    yield _counter(
        "podnet_node_cpu_seconds", "CPU time of the node process", (), [((), process.cpu_time_s)]
    )
    gauges = (
        ("resident_memory_bytes", "Resident memory of the node", process.resident_bytes),
        ("memory_maps", "Memory maps of the node", process.memory_maps),
        ("fabric_used_bytes", "Bytes of the fabric in use", usage.fabric_used_bytes),
        ("fabric_limit_bytes", "Bytes that the fabric may grow to", usage.fabric_limit_bytes),
        ("running_pods", "Pods that run", usage.running_pods),
    )
    for name, text, value in gauges:
        yield _gauge(f"podnet_node_{name}", text, (), [((), float(value))])


def _links(links: Sequence[LinkStatistics]) -> Iterator[Metric]:
    labels = ("link", "direction")
    rows = [((link.link, "backward" if link.backward else "forward"), link) for link in links]
    counters = (
        ("packets", "Packets that came to a link", "packets"),
        ("bytes", "Bytes of these packets", "bytes"),
        ("duplicated_packets", "Packets that arrived twice", "duplicated_packets"),
        ("reordered_packets", "Packets that skipped the delay", "reordered_packets"),
    )
    for name, text, attribute in counters:
        values = [(names, float(getattr(link, attribute))) for names, link in rows]
        yield _counter(f"podnet_link_{name}", text, labels, values)
    causes = ("lost", "queue_full", "cut", "corrupted", "too_large", "no_memory")
    yield _counter(
        "podnet_link_dropped_packets",
        "Packets that did not get to the other end of a link",
        (*labels, "cause"),
        [
            ((*names, cause), float(getattr(link, f"{cause}_packets")))
            for names, link in rows
            for cause in causes
        ],
    )
    yield _gauge(
        "podnet_link_queued_packets",
        "Packets that wait for a link's rate",
        labels,
        [(names, float(link.queued_packets)) for names, link in rows],
    )


def _interfaces(measured: Measured) -> Iterator[Metric]:
    service_of = {pod.spec.name: pod.spec.service for pod in measured.view.pods}
    labels = ("service", "pod", "network")
    rows = [
        ((service_of.get(interface.pod, ""), interface.pod, interface.network), interface)
        for interface in measured.network.interfaces
        if interface.pod
    ]
    counters = (
        ("receive_bytes", "Payload that came in through an interface", "received_bytes"),
        ("transmit_bytes", "Payload that went out through an interface", "sent_bytes"),
        ("receive_datagrams", "UDP datagrams that sockets took", "received_datagrams"),
        ("transmit_datagrams", "UDP datagrams sent", "sent_datagrams"),
        ("dropped_datagrams", "UDP datagrams without room at their receiver", "dropped_datagrams"),
        ("cut_packets", "Packets sent that a partition stopped, or without a way", "cut_packets"),
        ("denied", "Connections, datagrams and echoes that a policy denied", "denied"),
    )
    for name, text, attribute in counters:
        values = [(names, float(getattr(counted, attribute))) for names, counted in rows]
        yield _counter(f"podnet_interface_{name}", text, labels, values)
    flows = Counter(
        (flow.protocol.value, "" if flow.state is None else flow.state.value)
        for flow in measured.network.flows
    )
    yield _gauge(
        "podnet_flows",
        "Sockets of all pods by protocol and state",
        ("protocol", "state"),
        [(names, float(count)) for names, count in flows.items()],
    )


def _policies(network: NetworkStatistics) -> Iterator[Metric]:
    yield _counter(
        "podnet_policy_denied",
        "What a policy denied",
        ("policy",),
        [((policy.policy,), float(policy.denied)) for policy in network.policies],
    )
    yield _counter(
        "podnet_policy_allowed",
        "What a rule of a policy allowed; rules count from 0",
        ("policy", "rule"),
        [
            ((policy.policy, str(number)), float(count))
            for policy in network.policies
            for number, count in enumerate(policy.allowed)
        ],
    )


def _portals(portals: Sequence[PortalUsage]) -> Iterator[Metric]:
    labels = ("service", "port")
    rows = [((portal.service, str(portal.port)), portal) for portal in portals]
    counters = (
        ("requests", "Requests that came through a portal", "requests"),
        ("failures", "Requests that no pod answered usably", "failures"),
        ("refused", "Requests and connections that broke a rule or a limit", "refused"),
        ("websockets", "Requests that became WebSockets", "websockets"),
        ("receive_bytes", "Bytes from clients", "received_bytes"),
        ("transmit_bytes", "Bytes to clients", "sent_bytes"),
    )
    for name, text, attribute in counters:
        values = [(names, float(getattr(portal, attribute))) for names, portal in rows]
        yield _counter(f"podnet_portal_{name}", text, labels, values)
    yield _counter(
        "podnet_portal_responses",
        "Answers of pods by the class of their status",
        (*labels, "code"),
        [
            ((*names, f"{digit}xx"), float(count))
            for names, portal in rows
            for digit, count in enumerate(portal.responses, start=2)
        ],
    )
    yield _gauge(
        "podnet_portal_connections",
        "Connections of clients that are open",
        labels,
        [(names, float(portal.connections)) for names, portal in rows],
    )
    histogram = HistogramMetricFamily(
        "podnet_portal_request_duration_seconds",
        "From the head of a request to the end of its answer",
        labels=labels,
    )
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    for names, portal in rows:
        counts = portal.latency_counts or (0,) * len(bounds)
        buckets = list(zip(bounds, map(float, accumulate(counts)), strict=True))
        histogram.add_metric(names, buckets, portal.latency_sum_s)
    yield histogram


def _events(tallies: Tallies) -> Iterator[Metric]:
    yield _counter(
        "podnet_events",
        "Events of a deployment",
        ("type", "action", "service"),
        [(tuple(kind), float(count)) for kind, count in tallies.events.items()],
    )
    decisions = ("allowed", "denied", "failed")
    attempts = [
        ((kind.service, kind.action), float(count))
        for kind, count in tallies.events.items()
        if kind.type == "egress" and kind.action in decisions
    ]
    labels = ("service", "decision")
    yield _counter("podnet_egress_attempts", "Attempts to leave the deployment", labels, attempts)
    for way, counts in (
        ("transmit", tallies.egress_sent_bytes),
        ("receive", tallies.egress_received_bytes),
    ):
        yield _counter(
            f"podnet_egress_{way}_bytes",
            "Bytes over connections out of the deployment that have ended",
            ("service",),
            [((service,), float(count)) for service, count in counts.items()],
        )


def _counter(name: str, text: str, labels: Sequence[str], rows: Sequence[Row]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], rows: Sequence[Row]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
