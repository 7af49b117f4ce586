"""What links, faults, policies and a capture cost the pods that they do not concern.

The best rounds are compared, not the median ones: whatever else the machine does makes a round
worse and never better, and a difference of a twentieth drowns in that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network

from tests.bench.cases import Case, Report
from tests.bench.measures.round_trip import median_us, round_trip_case
from tests.bench.measures.stream import bytes_per_second, stream_case
from tests.bench.node import PodNode
from tests.bench.requests import FIRST_ADDRESS, NETWORK, Program
from tests.bench.rows import Bound, Row
from tests.bench.sampling import Samples, alternate
from vnet.configuration import (
    AddressBlock,
    Direction,
    Fault,
    FaultKind,
    Group,
    Hop,
    Link,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Route,
)

ROUNDS = 15
SECONDS = 0.4
CONCERNED = 8
"""Pods that everything concerns; they listen, and nobody calls."""
BYSTANDERS = 200
"""More than a measure boots."""
LINK = "left--right"


def measure() -> list[Row]:
    with PodNode() as node:
        node.boot([Program(("idle", "accept", "1"))] * CONCERNED)
        streams = _compare(node, stream_case(SECONDS), lambda r: bytes_per_second(r) / 1e6)
        round_trips = _compare(node, round_trip_case(SECONDS), median_us)
    return [
        _row("one TCP stream", "MB/s", streams, max, Bound(0.95, at_least=True)),
        _row("1-byte round trip", "us", round_trips, min, Bound(1.05, at_least=False)),
    ]


def _row(
    what: str,
    unit: str,
    samples: Samples,
    best: Callable[[Sequence[float]], float],
    bound: Bound,
) -> Row:
    return Row(
        name=f"{what} beside others' links and faults",
        unit=unit,
        value=best(samples.measured),
        baseline=best(samples.baseline),
        bound=bound,
        spread=samples.spread,
        note=f"best of {ROUNDS} rounds between two pods, while links, routes, faults, policies "
        "and a capture concern others; baseline: the same node without any of it",
    )


def _compare(node: PodNode, case: Case, figure: Callable[[list[Report]], float]) -> Samples:
    eventful = _eventful_network()

    def beside_others() -> float:
        node.configure_network(eventful)
        return figure(node.run(case, captured_link=LINK))

    def alone() -> float:
        node.configure_network(NetworkConfiguration())
        return figure(node.run(case))

    return alternate(beside_others, alone, ROUNDS)


def _eventful_network() -> NetworkConfiguration:
    """Everything that a configuration can have, for the concerned pods; nothing for the others."""
    addresses = [FIRST_ADDRESS + index for index in range(CONCERNED + BYSTANDERS)]
    half = CONCERNED // 2
    left, right = addresses[:half], addresses[half:CONCERNED]
    slow = LinkParameters(delay_ns=20_000_000, jitter_ns=5_000_000, loss=0.01, rate_bit_s=10**7)
    return NetworkConfiguration(
        groups=(
            _group("left", left),
            _group("right", right, access=LinkParameters(delay_ns=1_000_000)),
            _group("bystanders", addresses[CONCERNED:]),
        ),
        links=(Link(name=LINK, forward=slow, backward=slow),),
        routes=(
            Route(source="left", target="right", hops=(Hop(link=LINK),)),
            Route(source="right", target="left", hops=(Hop(link=LINK, backward=True),)),
        ),
        faults=(
            _fault("partition", FaultKind.CUT, left[:2], right[:2]),
            _fault("hold", FaultKind.HOLD, left[2:], right[2:]),
        ),
        policies=tuple(_policy(group) for group in ("left", "right")),
    )


def _group(
    name: str, addresses: Sequence[IPv4Address], access: LinkParameters | None = None
) -> Group:
    return Group(name=name, network=NETWORK, interfaces=tuple(addresses), access=access)


def _fault(
    name: str, kind: FaultKind, sources: Sequence[IPv4Address], targets: Sequence[IPv4Address]
) -> Fault:
    return Fault(name=name, kind=kind, sources=tuple(sources), targets=tuple(targets))


def _policy(group: str) -> Policy:
    rule = PolicyRule(
        groups=("left", "right"),
        blocks=(AddressBlock(block=IPv4Network("192.0.2.0/24")),),
        ports=(PortRange(first=8000, last=8100),),
    )
    return Policy(name=f"for {group}", groups=(group,), direction=Direction.INGRESS, rules=(rule,))
