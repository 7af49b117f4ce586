"""Network configurations for tests: a link between two interfaces, and any that make sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from hypothesis import strategies as st

from vnet.configuration import (
    Distribution,
    Fault,
    FaultKind,
    GilbertElliott,
    Group,
    Hop,
    Link,
    LinkParameters,
    NetworkConfiguration,
    Route,
)

Value = TypeVar("Value")

NETWORKS = {"front": IPv4Network("10.10.0.0/16"), "back": IPv4Network("10.20.0.0/16")}
NUMBERED = {name: (number, net) for number, (name, net) in enumerate(NETWORKS.items(), 1)}
GROUPS = ("web@front", "api@front", "api@back", "store@back")
LINKS = ("web--api", "api--store", "spare")


def linked(
    left: str,
    right: str,
    forward: LinkParameters,
    backward: LinkParameters | None = None,
    faults: tuple[Fault, ...] = (),
    network: str = "front",
) -> NetworkConfiguration:
    """Two interfaces of a network with a link in between; both directions alike by default."""
    first, second = f"left@{network}", f"right@{network}"
    return NetworkConfiguration(
        groups=(group(first, left), group(second, right)),
        links=(Link(name="left--right", forward=forward, backward=backward or forward),),
        routes=(
            Route(source=first, target=second, hops=(Hop(link="left--right"),)),
            Route(source=second, target=first, hops=(Hop(link="left--right", backward=True),)),
        ),
        faults=faults,
    )


def group(name: str, *addresses: str, access: LinkParameters | None = None) -> Group:
    """A group on the network that its name tells."""
    interfaces = tuple(IPv4Address(address) for address in addresses)
    return Group(name=name, network=name.partition("@")[2], interfaces=interfaces, access=access)


def fault(kind: FaultKind, source: str, target: str, name: str = "fault") -> Fault:
    """A fault between two interfaces."""
    return Fault(
        name=name, kind=kind, sources=(IPv4Address(source),), targets=(IPv4Address(target),)
    )


fractions = st.floats(0, 1)
parameters = st.builds(
    LinkParameters,
    delay_ns=st.integers(0, 10**9),
    jitter_ns=st.integers(0, 10**9),
    distribution=st.sampled_from(Distribution),
    loss=fractions,
    gilbert_elliott=st.none()
    | st.builds(GilbertElliott, good_to_bad=fractions, bad_to_good=fractions),
    rate_bit_s=st.integers(0, 10**12),
    queue_packets=st.integers(1, 1000),
    mtu_bytes=st.integers(576, 65_535),
    duplicate=fractions,
    reorder=fractions,
    corrupt=fractions,
)


@st.composite
def configurations(draw: st.DrawFn) -> NetworkConfiguration:
    """Any configuration of a few groups, links, routes and faults that makes sense."""
    groups = draw(_groups())
    links = draw(st.lists(st.sampled_from(LINKS), unique=True))
    return NetworkConfiguration(
        seed=draw(st.integers(0, 2**64 - 1)),
        groups=groups,
        links=tuple(
            Link(name=name, forward=draw(parameters), backward=draw(parameters)) for name in links
        ),
        routes=draw(_routes([known.name for known in groups], links)),
        faults=draw(_faults([one for known in groups for one in known.interfaces])),
    )


@st.composite
def _groups(draw: st.DrawFn) -> tuple[Group, ...]:
    members: dict[str, list[IPv4Address]] = {}
    homes: Mapping[str, str] = {
        name: draw(st.sampled_from(list(NETWORKS))) for name in draw(_some(GROUPS))
    }
    for network, subnet in NETWORKS.items():
        inside = [name for name, home in homes.items() if home == network]
        for host in draw(_some(range(2, 8))) if inside else ():
            chosen = draw(st.sampled_from(inside))
            members.setdefault(chosen, []).append(subnet.network_address + host)
    return tuple(
        Group(
            name=name,
            network=home,
            interfaces=tuple(members.get(name, ())),
            access=draw(st.none() | parameters),
        )
        for name, home in homes.items()
    )


@st.composite
def _routes(draw: st.DrawFn, groups: Sequence[str], links: Sequence[str]) -> tuple[Route, ...]:
    if not groups:
        return ()
    ends = st.tuples(st.sampled_from(groups), st.sampled_from(groups))
    hop = st.builds(Hop, link=st.sampled_from(links), backward=st.booleans())
    hops = st.lists(hop, max_size=3) if links else st.just([])
    return tuple(
        Route(source=source, target=target, hops=tuple(draw(hops)))
        for source, target in draw(st.lists(ends, unique=True, max_size=5))
    )


@st.composite
def _faults(draw: st.DrawFn, addresses: Sequence[IPv4Address]) -> tuple[Fault, ...]:
    names = draw(_some(("partition", "hold-1", "hold-2"))) if addresses else []
    return tuple(
        Fault(
            name=name,
            kind=draw(st.sampled_from(FaultKind)),
            sources=tuple(draw(_some(addresses))),
            targets=tuple(draw(_some(addresses))),
        )
        for name in names
    )


def _some(values: Sequence[Value]) -> st.SearchStrategy[list[Value]]:
    return st.lists(st.sampled_from(values), unique=True)
