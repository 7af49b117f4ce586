"""What 1,000 rules of policies cost a new connection, C program to C program."""

from __future__ import annotations

from ipaddress import IPv4Network

from tests.bench.cases import Case, Report, Side
from tests.bench.node import PodNode
from tests.bench.requests import FIRST_ADDRESS, NETWORK, SUBNET, Program
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate
from vnet.configuration import (
    AddressBlock,
    Direction,
    Group,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
)

ROUNDS = 7
SECONDS = 1.0
POLICIES = 10
RULES = 100
"""Of each policy; only the last one of the last policy allows anything here."""
PODS_MOST = 200
"""More than are booted."""

EVERYBODY = Group(
    name="everybody",
    network=NETWORK,
    interfaces=tuple(FIRST_ADDRESS + index for index in range(PODS_MOST)),
)
CONNECTIONS = Case(
    server=("connect", "accept"),
    client=("connect", "repeat", "{address}", "{port}", str(SECONDS), "{start_ns}"),
    reporter=Side.CLIENT,
)


def table() -> tuple[Policy, ...]:
    """Policies for ingress into the group of all pods, with 1,000 rules together."""
    elsewhere = AddressBlock(block=IPv4Network("192.0.2.0/24"))
    rules = [
        PolicyRule(blocks=(elsewhere,), ports=(PortRange(first=1 + index),))
        for index in range(RULES)
    ]
    opened = PolicyRule(blocks=(AddressBlock(block=SUBNET),))
    return tuple(
        Policy(
            name=f"policies[{number}]",
            groups=(EVERYBODY.name,),
            direction=Direction.INGRESS,
            rules=(*rules[:-1], opened if number == POLICIES - 1 else rules[-1]),
        )
        for number in range(POLICIES)
    )


def network(policies: tuple[Policy, ...]) -> NetworkConfiguration:
    """Nothing but one group and these policies."""
    return NetworkConfiguration(groups=(EVERYBODY,), policies=policies)


def microseconds(reports: list[Report]) -> float:
    """Return the time of one connection."""
    return 1e6 * reports[0]["seconds"] / reports[0]["connections"]


def measure() -> list[Row]:
    with PodNode() as node:
        (target,) = node.boot([Program(("connect", "accept", "1"))])
        scan = Program(("connect", "scan", target, str(SECONDS)))

        def repeated(policies: tuple[Policy, ...]) -> float:
            node.configure_network(network(policies))
            return microseconds(node.run(CONNECTIONS))

        def scanned(policies: tuple[Policy, ...]) -> float:
            node.configure_network(network(policies))
            return microseconds(node.run_program(scan))

        policies = table()
        again = alternate(lambda: repeated(policies), lambda: repeated(()), ROUNDS)
        first = alternate(lambda: scanned(policies), lambda: scanned(()), ROUNDS)
    return [
        again.row(
            name=f"a new connection under {POLICIES * RULES:,} policy rules",
            unit="us",
            bound=Bound(1.1, at_least=False),
            note="between two pods, opened and closed; baseline: without policies",
        ),
        first.row(
            name="the same, each to another port, where nobody listens",
            unit="us",
            note="no verdict is remembered: every rule is looked at each time",
        ),
    ]
