"""Counters of several nodes add up to those of one network."""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import IPv4Address

from hypothesis import given

from tests.support.network_values import statistics
from vnet.configuration import Protocol
from vnet.statistics import (
    Endpoint,
    FlowStatistics,
    InterfaceStatistics,
    LinkStatistics,
    NetworkStatistics,
    PolicyStatistics,
    TcpSender,
    TrafficStatistics,
)
from vnet.totals import total

HERE = Endpoint(address=IPv4Address("10.0.0.2"), port=80)
THERE = Endpoint(address=IPv4Address("10.0.0.3"), port=40_000)


@given(statistics)
def test_one_node_is_its_own_total(one: NetworkStatistics) -> None:
    if not _is_plain(one):
        return
    assert total([one]) == one


def _is_plain(one: NetworkStatistics) -> bool:
    """What a node reports: nothing twice, and no flow of another node's pod."""
    keys: list[list[Hashable]] = [
        [(link.link, link.backward) for link in one.links],
        [interface.address for interface in one.interfaces],
        [policy.policy for policy in one.policies],
        [(pair.source, pair.target) for pair in one.traffic],
    ]
    return all(len(some) == len(set(some)) for some in keys) and all(f.pod for f in one.flows)


def test_counters_are_summed_and_what_is_known_somewhere_is_known() -> None:
    link = LinkStatistics(link="a--b", packets=3, queued_packets=1, queued_most_packets=7)
    first = NetworkStatistics(
        time_s=1.0,
        links=(link,),
        interfaces=(InterfaceStatistics(address=HERE.address, network="n", pod="", denied=2),),
        policies=(PolicyStatistics(policy="p", denied=1, allowed=(1, 2)),),
    )
    second = NetworkStatistics(
        time_s=2.0,
        links=(LinkStatistics(link="a--b", packets=4, queued_packets=2, queued_most_packets=5),),
        interfaces=(
            InterfaceStatistics(address=HERE.address, network="n", pod="web", received_bytes=9),
        ),
        policies=(PolicyStatistics(policy="p", denied=0, allowed=(10, 20)),),
    )
    both = total([first, second])
    assert both.time_s == 2.0
    assert both.links == (
        LinkStatistics(link="a--b", packets=7, queued_packets=3, queued_most_packets=7),
    )
    assert both.interfaces == (
        InterfaceStatistics(
            address=HERE.address, network="n", pod="web", received_bytes=9, denied=2
        ),
    )
    assert both.policies == (PolicyStatistics(policy="p", denied=1, allowed=(11, 22)),)


def test_how_the_far_end_sends_is_told_by_the_node_that_simulates_it() -> None:
    sender = TcpSender(mss_bytes=1460)
    simulated = FlowStatistics(
        pod="", protocol=Protocol.TCP, local=HERE, remote=THERE, sender=sender
    )
    real = FlowStatistics(pod="web", protocol=Protocol.TCP, local=HERE, remote=THERE)
    both = total(
        [
            NetworkStatistics(time_s=0, flows=(simulated,)),
            NetworkStatistics(time_s=0, flows=(real,)),
        ]
    )
    (flow,) = both.flows
    assert (flow.pod, flow.sender) == ("web", sender)


def test_what_went_between_two_addresses_is_added_up() -> None:
    there = TrafficStatistics(source=HERE.address, target=THERE.address, bytes=5)
    back = TrafficStatistics(source=THERE.address, target=HERE.address, bytes=7)
    first = NetworkStatistics(time_s=1.0, traffic=(there,))
    second = NetworkStatistics(time_s=1.0, traffic=(back, there))
    assert {(one.source, one.bytes) for one in total([first, second]).traffic} == {
        (HERE.address, 10),
        (THERE.address, 7),
    }
