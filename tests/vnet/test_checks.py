"""Configurations that make no sense are refused, with the place and the reason."""

from __future__ import annotations

import pickle
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings

from tests.support.configurations import NETWORKS, configurations, fault, group, linked
from vnet.checks import MOST_DELAY_NS, MOST_RATE_BIT_S, check
from vnet.configuration import (
    FaultKind,
    GilbertElliott,
    Group,
    Hop,
    LinkParameters,
    NetworkConfiguration,
    Route,
)
from vnet.errors import ConfigurationError

GOOD = linked("10.10.0.2", "10.10.0.3", LinkParameters(delay_ns=1))
CUT = fault(FaultKind.CUT, "10.10.0.2", "10.10.0.3")


def route(source: str, target: str, *links: str) -> NetworkConfiguration:
    hops = tuple(Hop(link=link) for link in links)
    return replace(GOOD, routes=(Route(source=source, target=target, hops=hops),))


def parameters(**changes: float) -> NetworkConfiguration:
    return linked("10.10.0.2", "10.10.0.3", replace(LinkParameters(), **changes))  # type: ignore[arg-type]


@settings(deadline=None)
@given(configurations())
def test_what_makes_sense_is_accepted(configuration: NetworkConfiguration) -> None:
    check(configuration, NETWORKS)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (replace(GOOD, seed=2**64), "seed is 18446744073709551616, not 0 to 2"),
        (replace(GOOD, groups=GOOD.groups * 2), 'group "left@front" is there twice'),
        (replace(GOOD, links=GOOD.links * 2), 'link "left--right" is there twice'),
        (replace(GOOD, routes=GOOD.routes * 2), 'route from "left@front" to "right@front" is'),
        (replace(GOOD, faults=(CUT, CUT)), 'fault "fault" is there twice'),
        (route("left@front", "nobody"), 'has no group "nobody" to join'),
        (route("left@front", "right@front", "rope"), 'has no link "rope" to cross'),
        (route("left@front", "right@front", *["left--right"] * 17), "crosses 17 links; at most 16"),
        (NetworkConfiguration(groups=(group("a@moon", "10.10.0.2"),)), 'network "moon", which'),
        (NetworkConfiguration(groups=(group("a@back", "10.10.0.2"),)), "which is not in 10.20"),
        (
            NetworkConfiguration(
                groups=(group("a@front", "10.10.0.2"), group("b@front", "10.10.0.2"))
            ),
            'has 10.10.0.2, as has group "a@front"',
        ),
        (parameters(delay_ns=MOST_DELAY_NS + 1), 'link "left--right", forward has a delay_ns of'),
        (parameters(jitter_ns=-1), "jitter_ns of -1"),
        (parameters(rate_bit_s=MOST_RATE_BIT_S + 1), "rate_bit_s"),
        (parameters(rate_bit_s=1000, queue_packets=0), "queue_packets of 0, not 1"),
        (parameters(mtu_bytes=575), "mtu_bytes of 575, not 576 to 65535"),
        (parameters(loss=1.5), "loss of 1.5, not 0 to 1"),
        (parameters(corrupt=float("nan")), "corrupt of nan"),
        (
            replace(GOOD, faults=tuple(replace(CUT, name=f"cut-{i}") for i in range(65))),
            'fault "cut-64" is one too many; 64 can be active',
        ),
    ],
)
def test_nonsense_is_refused(configuration: NetworkConfiguration, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(configuration, NETWORKS)
    assert message in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_bursts_and_access_links_are_looked_at_too() -> None:
    bursts = LinkParameters(gilbert_elliott=GilbertElliott(good_to_bad=2.0, bad_to_good=0.1))
    with pytest.raises(ConfigurationError, match=r"good_to_bad of 2\.0"):
        check(linked("10.10.0.2", "10.10.0.3", bursts), NETWORKS)
    access = group("a@front", "10.10.0.2", access=LinkParameters(mtu_bytes=1))
    with pytest.raises(ConfigurationError, match='group "a@front" has a mtu_bytes of 1'):
        check(NetworkConfiguration(groups=(access,)), NETWORKS)


def test_a_group_of_too_many_is_refused() -> None:
    crowd = Group(
        name="crowd@front",
        network="front",
        interfaces=(IPv4Address("10.10.0.2"),) * 65_537,
    )
    with pytest.raises(ConfigurationError, match="more than 65536 interfaces"):
        check(NetworkConfiguration(groups=(crowd,)), NETWORKS)
