from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from orchestrator.cli.figures import rate_text
from orchestrator.cli.rates import PodRates, Sample, node_cpu, pod_rates
from pod_node.usage import NodeUsage, PodUsage, ProcessUsage
from vnet.statistics import InterfaceStatistics, NetworkStatistics


def sample(time_s: float, cpu_s: float, web: tuple[float, int, int]) -> Sample:
    cpu, received, sent = web
    process = ProcessUsage(time_s=time_s, resident_bytes=1, cpu_time_s=cpu_s, memory_maps=1)
    usage = NodeUsage(
        process=process,
        running_pods=1,
        fabric_used_bytes=1,
        fabric_limit_bytes=2,
        pods=(PodUsage(pod="web-1", cpu_time_s=cpu),),
    )
    interfaces = [
        InterfaceStatistics(
            address=IPv4Address(number),
            network="net",
            pod="web-1",
            received_bytes=received,
            sent_bytes=sent,
        )
        for number in (1, 2)
    ]
    return Sample(usage, NetworkStatistics(time_s=time_s, interfaces=tuple(interfaces)))


def test_rates_are_what_came_in_between_over_all_interfaces() -> None:
    before, now = sample(10.0, 1.0, (0.5, 100, 0)), sample(12.0, 2.0, (1.5, 300, 50))
    assert pod_rates(before, now) == {
        "web-1": PodRates(cpu=0.5, received_bytes_s=200.0, sent_bytes_s=50.0)
    }
    assert node_cpu(before, now) == 0.5


def test_a_pod_that_was_started_anew_counts_from_its_start() -> None:
    before, now = sample(10.0, 1.0, (5.0, 1000, 1000)), sample(11.0, 2.0, (0.25, 10, 20))
    assert pod_rates(before, now)["web-1"] == PodRates(
        cpu=0.25, received_bytes_s=20.0, sent_bytes_s=40.0
    )


def test_two_samples_of_one_moment_give_no_rate() -> None:
    both = sample(10.0, 1.0, (5.0, 1000, 1000))
    assert pod_rates(both, both) == {
        "web-1": PodRates(cpu=0.0, received_bytes_s=0.0, sent_bytes_s=0.0)
    }


def test_bytes_that_nobody_counts_have_no_rate() -> None:
    before, now = sample(10.0, 1.0, (0.0, 0, 0)), sample(11.0, 2.0, (0.5, 0, 0))
    uncounted = replace(now, network=NetworkStatistics(time_s=11.0))
    assert pod_rates(before, uncounted) == {"web-1": PodRates(cpu=0.5)}
    assert rate_text(None) == "-"
