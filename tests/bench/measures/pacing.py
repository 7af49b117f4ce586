"""What it costs a TCP stream to be paced: to move as segments, because of a link or a capture."""

from __future__ import annotations

from statistics import median

from tests.bench.cases import Case, Side
from tests.bench.measures.stream import bytes_per_second
from tests.bench.node import PodNode
from tests.bench.requests import FIRST_ADDRESS, NETWORK
from tests.bench.rows import Row
from tests.bench.sampling import Samples, span
from vnet.configuration import Group, Hop, Link, LinkParameters, NetworkConfiguration, Route

ROUNDS = 5
SECONDS = 1.0
WINDOW = 4 << 20
"""The largest that there is: more than waits at these speeds."""
MSS_BYTES = 1460
LINK = "servers--clients"
PODS_MOST = 200
PERFECT, SHORT = LinkParameters(), LinkParameters(delay_ns=1_000_000)

TRANSFER = Case(
    server=("truth", "receive", str(WINDOW), str(SECONDS)),
    client=("truth", "send", "{address}", "{port}"),
    reporter=Side.SERVER,
)


def measure() -> list[Row]:
    direct: list[float] = []
    captured: list[float] = []
    delayed: list[float] = []
    costs_us: list[float] = []
    with PodNode() as node:
        for _ in range(ROUNDS):
            node.configure_network(_network(PERFECT))
            direct.append(_megabytes_per_second(node))
            captured.append(_megabytes_per_second(node, captured_link=LINK))
            node.configure_network(_network(SHORT))
            cpu_s, packets = node.pacer_usage()
            delayed.append(_megabytes_per_second(node))
            cpu_later_s, packets_later = node.pacer_usage()
            costs_us.append((cpu_later_s - cpu_s) * 1e6 / (packets_later - packets))
    return [
        _row("captured", Samples(captured, direct), "on a perfect link, all packets read and lost"),
        _row("over a link of 1 ms", Samples(delayed, direct), f"window of {WINDOW >> 20} MiB"),
        Row(
            name="CPU time of the pacer for a packet",
            unit="us",
            value=median(costs_us),
            spread=span(costs_us),
            note=f"a segment of {MSS_BYTES} bytes or its acknowledgement, on the link of 1 ms",
        ),
    ]


def _row(how: str, samples: Samples, note: str) -> Row:
    return samples.row(
        name=f"one TCP stream, {how}",
        unit="MB/s",
        note=f"{note}; baseline: the same with nothing in between",
    )


def _megabytes_per_second(node: PodNode, captured_link: str | None = None) -> float:
    return bytes_per_second(node.run(TRANSFER, captured_link)) / 1e6


def _network(link: LinkParameters) -> NetworkConfiguration:
    """Servers and clients, which are booted by turns, and a link in between."""
    addresses = [FIRST_ADDRESS + index for index in range(PODS_MOST)]
    return NetworkConfiguration(
        groups=(
            Group(name="servers", network=NETWORK, interfaces=tuple(addresses[::2])),
            Group(name="clients", network=NETWORK, interfaces=tuple(addresses[1::2])),
        ),
        links=(Link(name=LINK, forward=link, backward=link),),
        routes=(
            Route(source="servers", target="clients", hops=(Hop(link=LINK),)),
            Route(source="clients", target="servers", hops=(Hop(link=LINK, backward=True),)),
        ),
    )
