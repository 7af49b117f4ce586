"""Egress rules over the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.vnet.v1 import configuration_pb2 as pb
from vnet.codec import configuration_from_message, configuration_to_message
from vnet.configuration import Egress, EgressLimits, NetworkConfiguration
from vnet.errors import InvalidMessageError
from vnet.gateway import parse_rule

rules = st.sampled_from(
    ["api.example.com:443", "*.example.com:80-90", "*:*", "192.0.2.0/24:80", "[2001:db8::/32]:443"]
).map(parse_rule)
limits = st.builds(
    EgressLimits,
    connections=st.none() | st.integers(0, 10**6),
    transfer_bytes=st.none() | st.integers(0, 2**60),
)
egresses = st.builds(
    Egress,
    service=st.sampled_from(["api", "web"]),
    rules=st.lists(rules, max_size=4).map(tuple),
    limits=limits,
)


@given(egress=st.lists(egresses, max_size=3).map(tuple), is_open=st.booleans())
def test_egress_survives_the_wire(egress: tuple[Egress, ...], is_open: bool) -> None:
    configuration = NetworkConfiguration(gateway=is_open, egress=egress)
    wire = configuration_to_message(configuration).SerializeToString()
    message = pb.NetworkConfiguration.FromString(wire)
    assert configuration_from_message(message) == configuration


@pytest.mark.parametrize(
    ("service", "rule", "field"),
    [
        ("", {"name": "a", "ports": {"first": 1, "last": 1, "protocol": 1}}, "egress.service"),
        ("api", {"ports": {"first": 1, "last": 1, "protocol": 1}}, "egress.rules.name"),
        ("api", {"name": "a", "ports": {"first": 2, "last": 1, "protocol": 1}}, "ports.last"),
        ("api", {"name": "a"}, "ports.protocol"),
        (
            "api",
            {"block_cidr": "10.0.0.1/8", "ports": {"first": 1, "last": 1, "protocol": 1}},
            "egress.rules.block_cidr",
        ),
    ],
)
def test_what_is_no_rule_is_refused(service: str, rule: dict[str, object], field: str) -> None:
    message = pb.NetworkConfiguration()
    egress = message.egress.add(service=service)
    egress.rules.add(**rule)
    with pytest.raises(InvalidMessageError, match=field):
        configuration_from_message(message)
