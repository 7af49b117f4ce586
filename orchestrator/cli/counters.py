"""The counters of the network as tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.figures import milliseconds, size_text
from orchestrator.cli.pictures import table
from orchestrator.topology.values import format_port_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnet.configuration import NetworkConfiguration, PolicyRule
    from vnet.statistics import Endpoint, LinkStatistics, NetworkStatistics

Row = tuple[str, ...]

_FLOWS = (
    "POD", "PROTO", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "STATE",
    "RECEIVED", "SENT", "RTT", "CWND", "RETRANS",
)  # fmt: skip
_LINKS = (
    "LINK", "WAY", "PACKETS", "BYTES", "LOST", "QUEUE FULL", "CUT", "CORRUPT", "TOO LARGE",
    "TWICE", "REORDERED", "QUEUED", "MOST",
)  # fmt: skip
_INTERFACES = (
    "ADDRESS", "NETWORK", "POD", "RECEIVED", "SENT", "UDP IN", "UDP OUT", "UDP DROPPED",
    "ECHOES IN", "ECHOES OUT", "CUT", "DENIED",
)  # fmt: skip
_RULES = ("POLICY", "DIRECTION", "RULE", "ALLOWED", "DENIED")


def section_text(
    section: str, statistics: NetworkStatistics, configuration: NetworkConfiguration
) -> str:
    """Write the table of one part of the counters, or that it is empty."""
    match section:
        case "flows":
            rows = [_FLOWS, *_flows(statistics)]
        case "links":
            rows = [_LINKS, *map(_link, statistics.links)]
        case "interfaces":
            rows = [_INTERFACES, *_interfaces(statistics)]
        case "policies":
            rows = [_RULES, *_policies(statistics, configuration)]
        case _:
            raise AssertionError(f"no section is called {section}")
    return table(rows, colours=False) if len(rows) > 1 else f"no {section}\n"


def _flows(statistics: NetworkStatistics) -> Iterator[Row]:
    for flow in statistics.flows:
        sender = flow.sender
        yield (
            flow.pod or "-",
            flow.protocol.value,
            str(flow.receive_queue),
            str(flow.send_queue),
            _endpoint(flow.local),
            _endpoint(flow.remote),
            "-" if flow.state is None else flow.state.value,
            size_text(flow.received_bytes),
            size_text(flow.sent_bytes),
            "-" if sender is None else milliseconds(sender.smoothed_rtt_ns),
            "-" if sender is None else size_text(sender.congestion_window_bytes),
            "-" if sender is None else str(sender.retransmitted_segments),
        )


def _link(link: LinkStatistics) -> Row:
    counts = (
        link.lost_packets,
        link.queue_full_packets,
        link.cut_packets,
        link.corrupted_packets,
        link.too_large_packets,
        link.duplicated_packets,
        link.reordered_packets,
        link.queued_packets,
        link.queued_most_packets,
    )
    way = "backward" if link.backward else "forward"
    return (link.link, way, str(link.packets), size_text(link.bytes), *map(str, counts))


def _interfaces(statistics: NetworkStatistics) -> Iterator[Row]:
    for interface in statistics.interfaces:
        yield (
            str(interface.address),
            interface.network,
            interface.pod or "-",
            size_text(interface.received_bytes),
            size_text(interface.sent_bytes),
            str(interface.received_datagrams),
            str(interface.sent_datagrams),
            str(interface.dropped_datagrams),
            str(interface.received_echoes),
            str(interface.sent_echoes),
            str(interface.cut_packets),
            str(interface.denied),
        )


def _policies(statistics: NetworkStatistics, configuration: NetworkConfiguration) -> Iterator[Row]:
    known = {policy.name: policy for policy in configuration.policies}
    for counted in statistics.policies:
        policy = known.get(counted.policy)
        direction = "-" if policy is None else policy.direction.value
        rules = () if policy is None else policy.rules
        for number, allowed in enumerate(counted.allowed):
            text = rule_text(rules[number]) if number < len(rules) else f"rule {number + 1}"
            yield (counted.policy, direction, text, str(allowed), "")
        yield (counted.policy, direction, "anything else", "", str(counted.denied))


def rule_text(rule: PolicyRule) -> str:
    """Write a rule in one line."""
    blocks = (
        str(block.block)
        + (f" except {', '.join(map(str, block.excepted))}" if block.excepted else "")
        for block in rule.blocks
    )
    peers = ", ".join((*rule.groups, *blocks)) or "everybody"
    ports = ", ".join(map(format_port_range, rule.ports)) or "all"
    return f"{peers}; ports {ports}"


def _endpoint(endpoint: Endpoint | None) -> str:
    return "-" if endpoint is None else f"{endpoint.address}:{endpoint.port}"
