from __future__ import annotations

import contextlib
import math

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from protos.vnet.v1 import configuration_pb2 as pb
from protos.vnet.v1 import links_pb2, policies_pb2, routes_pb2
from tests.support.network_values import configurations
from vnet.codec import configuration_from_message, configuration_to_message, link_from_message
from vnet.configuration import Link, LinkParameters, NetworkConfiguration
from vnet.errors import InvalidMessageError


@given(configuration=configurations)
def test_a_configuration_survives_the_wire(configuration: NetworkConfiguration) -> None:
    wire = configuration_to_message(configuration).SerializeToString()
    assert configuration_from_message(pb.NetworkConfiguration.FromString(wire)) == configuration


@given(wire=st.binary(max_size=120))
def test_no_bytes_can_break_the_reading_of_a_configuration(wire: bytes) -> None:
    with contextlib.suppress(InvalidMessageError, DecodeError):
        configuration_from_message(pb.NetworkConfiguration.FromString(wire))


def a_link() -> links_pb2.Link:
    link = Link(name="web--api", forward=LinkParameters(), backward=LinkParameters())
    return configuration_to_message(NetworkConfiguration(links=(link,))).links[0]


@pytest.mark.parametrize("value", [-0.1, 1.01, math.nan, math.inf])
def test_a_share_is_a_fraction_from_zero_to_one(value: float) -> None:
    link = a_link()
    link.forward.loss_fraction = value
    with pytest.raises(InvalidMessageError, match=r"field loss_fraction .* fraction"):
        link_from_message(link)


@pytest.mark.parametrize("mtu", [0, 575, 65_536])
def test_an_mtu_is_within_what_ipv4_allows(mtu: int) -> None:
    link = a_link()
    link.backward.mtu_bytes = mtu
    with pytest.raises(InvalidMessageError, match=r"field mtu_bytes .* is not 576 to 65535"):
        link_from_message(link)


def test_a_link_without_one_of_its_directions_is_refused() -> None:
    link = a_link()
    link.ClearField("backward")
    with pytest.raises(InvalidMessageError, match="field distribution has the unknown value 0"):
        link_from_message(link)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.NetworkConfiguration(groups=[routes_pb2.Group(name="a")]), "groups.network"),
        (
            pb.NetworkConfiguration(
                groups=[routes_pb2.Group(name="a", network="b", interfaces=["10.0.0.256"])]
            ),
            "groups.interfaces",
        ),
        (
            pb.NetworkConfiguration(
                routes=[
                    routes_pb2.Route(
                        source="a", target="b", hops=[routes_pb2.Hop(link="c") for _ in range(17)]
                    )
                ]
            ),
            "routes.hops",
        ),
        (
            pb.NetworkConfiguration(policies=[policies_pb2.Policy(name="p")]),
            "policies.direction",
        ),
    ],
)
def test_what_cannot_be_configured_is_named(message: pb.NetworkConfiguration, field: str) -> None:
    with pytest.raises(InvalidMessageError, match=f"field {field} "):
        configuration_from_message(message)


def test_a_range_of_ports_does_not_end_before_it_begins() -> None:
    message = pb.NetworkConfiguration()
    policy = message.policies.add(
        name="p", direction=policies_pb2.DIRECTION_INGRESS, denial=policies_pb2.DENIAL_DROP
    )
    policy.rules.add().ports.add(first=9, last=8, protocol=1)
    with pytest.raises(InvalidMessageError, match=r"field ports.last 8 is not 9 to 65535"):
        configuration_from_message(message)
