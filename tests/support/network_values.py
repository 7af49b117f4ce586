"""Values of the virtual network at random, for whoever sends them somewhere."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import strategies as st

from vnet.configuration import (
    AddressBlock,
    Denial,
    Direction,
    Distribution,
    Fault,
    FaultKind,
    GilbertElliott,
    Group,
    Hop,
    Link,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Protocol,
    Route,
)
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

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
filled = text.filter(bool)
fractions = st.floats(0.0, 1.0)
counts = st.integers(0, 2**64 - 1)
small = st.integers(0, 2**32 - 1)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
microseconds = st.integers(0, 2**45).map(lambda us: us / 1_000_000)


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network:
    return IPv4Network((draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 32))), strict=False)


@st.composite
def port_ranges(draw: st.DrawFn) -> PortRange:
    first, last = sorted((draw(st.integers(0, 65_535)), draw(st.integers(0, 65_535))))
    return PortRange(first=first, last=last, protocol=draw(st.sampled_from(Protocol)))


def tuples(
    values: st.SearchStrategy[object], most: int = 3
) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(values, max_size=most).map(tuple)


bursts = st.builds(
    GilbertElliott,
    good_to_bad=fractions,
    bad_to_good=fractions,
    loss_in_bad=fractions,
    loss_in_good=fractions,
)
parameters = st.builds(
    LinkParameters,
    delay_ns=counts,
    jitter_ns=counts,
    distribution=st.sampled_from(Distribution),
    loss=fractions,
    gilbert_elliott=st.none() | bursts,
    rate_bit_s=counts,
    queue_packets=small,
    mtu_bytes=st.integers(576, 65_535),
    duplicate=fractions,
    reorder=fractions,
    corrupt=fractions,
)
rules = st.builds(
    PolicyRule,
    groups=tuples(text),
    blocks=tuples(st.builds(AddressBlock, block=networks(), excepted=tuples(networks(), 2)), 2),
    ports=tuples(port_ranges()),
)
configurations = st.builds(
    NetworkConfiguration,
    seed=counts,
    groups=tuples(
        st.builds(
            Group,
            name=filled,
            network=filled,
            interfaces=tuples(addresses),
            access=st.none() | parameters,
        )
    ),
    links=tuples(st.builds(Link, name=filled, forward=parameters, backward=parameters), 2),
    routes=tuples(
        st.builds(
            Route,
            source=filled,
            target=filled,
            hops=tuples(st.builds(Hop, link=filled, backward=st.booleans())),
        )
    ),
    faults=tuples(
        st.builds(
            Fault,
            name=filled,
            kind=st.sampled_from(FaultKind),
            sources=tuples(addresses),
            targets=tuples(addresses),
        )
    ),
    policies=tuples(
        st.builds(
            Policy,
            name=filled,
            groups=tuples(text),
            direction=st.sampled_from(Direction),
            rules=tuples(rules, 2),
            denial=st.sampled_from(Denial),
        ),
        2,
    ),
    gateway=st.booleans(),
)
endpoints = st.builds(Endpoint, address=addresses, port=st.integers(0, 65_535))
links = st.builds(
    LinkStatistics,
    link=filled,
    backward=st.booleans(),
    **dict.fromkeys(
        (
            "packets", "bytes", "lost_packets", "queue_full_packets", "cut_packets",
            "corrupted_packets", "too_large_packets", "no_memory_packets",
            "duplicated_packets", "reordered_packets",
        ),
        counts,
    ),
    queued_packets=small,
    queued_most_packets=small,
)  # fmt: skip
senders = st.builds(
    TcpSender,
    mss_bytes=small,
    **dict.fromkeys(
        (
            "congestion_window_bytes", "slow_start_threshold_bytes", "in_flight_bytes",
            "receive_window_bytes", "smoothed_rtt_ns", "rtt_variation_ns",
            "retransmission_timeout_ns", "segments", "retransmitted_segments", "timeouts",
        ),
        counts,
    ),
)  # fmt: skip
statistics = st.builds(
    NetworkStatistics,
    time_s=microseconds,
    links=tuples(links),
    interfaces=tuples(
        st.builds(
            InterfaceStatistics,
            address=addresses,
            network=filled,
            pod=text,
            sent_bytes=counts,
            received_bytes=counts,
            sent_datagrams=counts,
            received_datagrams=counts,
            dropped_datagrams=counts,
            cut_packets=counts,
            sent_echoes=counts,
            received_echoes=counts,
            denied=counts,
        )
    ),
    policies=tuples(
        st.builds(PolicyStatistics, policy=text, denied=counts, allowed=tuples(counts))
    ),
    flows=tuples(
        st.builds(
            FlowStatistics,
            pod=text,
            protocol=st.sampled_from(Protocol),
            local=endpoints,
            remote=st.none() | endpoints,
            state=st.none() | st.sampled_from(TcpState),
            receive_queue=counts,
            send_queue=counts,
            received_bytes=counts,
            sent_bytes=counts,
            sender=st.none() | senders,
        )
    ),
    traffic=tuples(st.builds(TrafficStatistics, source=addresses, target=addresses, bytes=counts)),
)
