"""How much of what was counted came in a while: rates from two samples of the counters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pod_node.usage import NodeUsage
    from vnet.statistics import NetworkStatistics


@dataclass(frozen=True, slots=True)
class Sample:
    """All counters at about one moment."""

    usage: NodeUsage
    network: NetworkStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRates:
    """What a pod did in a while."""

    cpu: float = 0.0
    """Cores."""
    received_bytes_s: float | None = None
    """None when the node does not count the bytes of its interfaces."""
    sent_bytes_s: float | None = None


def node_cpu(before: Sample, now: Sample) -> float:
    """How many cores the node's process used between two samples."""
    elapsed = now.usage.process.time_s - before.usage.process.time_s
    used = now.usage.process.cpu_time_s - before.usage.process.cpu_time_s
    return _rate(used, elapsed)


def pod_rates(before: Sample, now: Sample) -> dict[str, PodRates]:
    """What each pod did between two samples; one that was started anew counts from its start."""
    cpu_before, cpu_now = _cpu(before), _cpu(now)
    moved_before, moved_now = moved_bytes(before), moved_bytes(now)
    cpu_s = now.usage.process.time_s - before.usage.process.time_s
    network_s = now.network.time_s - before.network.time_s
    rates: dict[str, PodRates] = {}
    for pod in cpu_now.keys() | moved_now.keys():
        received, sent = (
            None if now_bytes is None else _rate(_grown(earlier, now_bytes), network_s)
            for earlier, now_bytes in zip(
                moved_before.get(pod, (0, 0)), moved_now.get(pod, (None, None)), strict=True
            )
        )
        rates[pod] = PodRates(
            cpu=_rate(_grown(cpu_before.get(pod, 0.0), cpu_now.get(pod, 0.0)), cpu_s),
            received_bytes_s=received,
            sent_bytes_s=sent,
        )
    return rates


def _cpu(sample: Sample) -> dict[str, float]:
    return {pod.pod: pod.cpu_time_s for pod in sample.usage.pods}


def moved_bytes(sample: Sample) -> dict[str, tuple[int, int]]:
    """Bytes received and sent by each pod, over all of its interfaces."""
    moved: dict[str, tuple[int, int]] = {}
    for interface in sample.network.interfaces:
        received, sent = moved.get(interface.pod, (0, 0))
        moved[interface.pod] = (
            received + interface.received_bytes,
            sent + interface.sent_bytes,
        )
    moved.pop("", None)
    return moved


def _grown(before: float, now: float) -> float:
    return now - before if now >= before else now


def _rate(amount: float, elapsed_s: float) -> float:
    return amount / elapsed_s if elapsed_s > 0 else 0.0
