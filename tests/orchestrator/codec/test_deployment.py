from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.codec.deployment import (
    deployment_from_message,
    deployment_to_message,
)
from orchestrator.codec.events import event_from_message, event_to_message
from orchestrator.events.happenings import EventFacts
from orchestrator.views.deployment import (
    DeploymentEvent,
    DeploymentView,
    FaultBegun,
    FaultEnded,
    FaultView,
    LinkShown,
    LinkView,
    PodShown,
    Refused,
    Remarked,
)
from orchestrator.views.phases import Phase, PodView
from pod_node.spec import ExitKind, PodExit
from pod_node.status import EventsLost, OpenPortal, Synced
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from tests.support.network_values import (
    configurations,
    filled,
    microseconds,
    parameters,
    small,
    text,
    tuples,
)
from tests.support.pods import make_spec
from vnet.configuration import FaultKind
from vnet.egress import Decision, EgressAttempt, EgressEnded, Ending
from vnet.errors import InvalidMessageError

remaining = st.none() | st.integers(1, 10**12).map(lambda us: us / 1_000_000)
pods = st.builds(
    PodView,
    spec=st.sampled_from(["web-1", "api-2"]).map(make_spec),
    phase=st.sampled_from(Phase),
    reason=text,
    exit=st.none()
    | st.builds(PodExit, kind=st.sampled_from(ExitKind), status=st.integers(0, 255), reason=text),
    boot_s=st.none() | microseconds,
    ready_s=st.none() | microseconds,
    restarts=small,
    paused=st.booleans(),
)
link_views = st.builds(
    LinkView,
    name=filled,
    first=text,
    second=text,
    network=text,
    forward=parameters,
    backward=parameters,
    declared=st.booleans(),
    changed=st.booleans(),
    remaining_s=remaining,
)
fault_views = st.builds(
    FaultView,
    name=text,
    kind=st.sampled_from(FaultKind),
    sides=tuples(tuples(text)),
    oneway=st.booleans(),
    remaining_s=remaining,
)
portals = st.builds(
    OpenPortal,
    portal_id=filled,
    service=filled,
    port=st.integers(1, 65_535),
    host_port=st.integers(1, 65_535),
    url=text,
    backends=st.just(()),
)


attempts = st.builds(
    EgressAttempt,
    number=small,
    pod=filled,
    service=text,
    target=text,
    port=st.integers(0, 65_535),
    decision=st.sampled_from(Decision),
    rule=text,
    address=text,
    reason=text,
    duration_s=microseconds,
)
endings = st.builds(
    EgressEnded,
    number=small,
    pod=filled,
    service=text,
    target=text,
    port=st.integers(1, 65_535),
    ending=st.sampled_from(Ending),
    sent_bytes=small,
    received_bytes=small,
    duration_s=microseconds,
)


@given(
    view=st.builds(
        DeploymentView,
        name=text,
        topology_path=text,
        topology_text=text,
        started_at_s=microseconds,
        process_id=small,
        pods=tuples(pods),
        portals=tuples(portals),
        configuration=configurations,
        faults=tuples(fault_views),
    )
)
def test_a_deployment_survives_the_wire(view: DeploymentView) -> None:
    wire = deployment_to_message(view).SerializeToString()
    assert deployment_from_message(pb.DescribeResponse.FromString(wire)) == view


@given(
    event=st.builds(
        DeploymentEvent,
        sequence=st.integers(0, 2**63),
        time_s=microseconds,
        text=text,
        happening=st.one_of(
            st.builds(PodShown, pods),
            st.builds(LinkShown, link_views),
            st.builds(FaultBegun, fault_views),
            st.builds(FaultEnded, text),
            st.builds(Remarked, st.booleans()),
            st.builds(Refused, text, text),
            st.just(Synced()),
            st.builds(EventsLost, small),
            attempts,
            endings,
        ),
        facts=st.builds(
            EventFacts,
            type=text,
            action=text,
            service=text,
            pod=text,
            attributes=st.dictionaries(text, text, max_size=3),
        ),
    )
)
def test_an_event_survives_the_wire(event: DeploymentEvent) -> None:
    wire = event_to_message(event).SerializeToString()
    assert event_from_message(pb.EventsResponse.FromString(wire)) == event


@given(wire=st.binary(max_size=80))
def test_no_bytes_can_break_the_reading_of_a_deployment(wire: bytes) -> None:
    with contextlib.suppress(InvalidMessageError, DecodeError):
        deployment_from_message(pb.DescribeResponse.FromString(wire))


def test_an_event_of_no_kind_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="event"):
        event_from_message(pb.EventsResponse())
