from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.codec.looking import (
    order_from_message,
    order_to_message,
    ping_step_from_message,
    ping_step_to_message,
)
from orchestrator.topology.values import LinkDirection
from orchestrator.views.deployment import CaptureOrder, LinkAim, PingEnds, PingStep, PodAim
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from tests.support.network_values import addresses, counts, filled, small, text
from vnet.errors import InvalidMessageError
from vnet.ping import EchoOutcome, EchoResult, NumberedEcho

aims = st.builds(PodAim, pod=filled, network=st.none() | filled) | st.builds(
    LinkAim,
    first=filled,
    second=filled,
    network=st.none() | filled,
    direction=st.sampled_from(LinkDirection),
)
steps = st.builds(
    PingEnds, source=text, source_address=addresses, target=text, target_address=addresses
) | st.builds(
    NumberedEcho,
    sequence=small,
    result=st.builds(EchoResult, outcome=st.sampled_from(EchoOutcome), rtt_ns=counts, policy=text),
)


@given(step=steps)
def test_a_step_of_a_ping_survives_the_wire(step: PingStep) -> None:
    wire = ping_step_to_message(step).SerializeToString()
    assert ping_step_from_message(pb.PingResponse.FromString(wire)) == step


@given(order=st.builds(CaptureOrder, aim=aims, filter=text, snapshot_bytes=small, count=counts))
def test_an_order_for_packets_survives_the_wire(order: CaptureOrder) -> None:
    wire = order_to_message(order).SerializeToString()
    assert order_from_message(pb.CaptureRequest.FromString(wire)) == order


def test_packets_are_captured_somewhere() -> None:
    with pytest.raises(InvalidMessageError, match="field place is missing"):
        order_from_message(pb.CaptureRequest(filter="tcp"))


def test_a_step_of_a_ping_says_something() -> None:
    with pytest.raises(InvalidMessageError, match="field step is missing"):
        ping_step_from_message(pb.PingResponse())
