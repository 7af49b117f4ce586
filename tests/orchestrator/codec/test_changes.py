from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.codec.changes import (
    hold_to_message,
    mend_from_message,
    part_from_message,
    partition_to_message,
    reset_from_message,
    reset_to_message,
    set_link_from_message,
    set_link_to_message,
)
from orchestrator.network.changes import Mend, Part, ResetLink, ResetLinks, SetLink
from orchestrator.topology.link_change import LinkChange
from orchestrator.topology.values import LinkDirection
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from tests.support.network_values import bursts, counts, filled, fractions, small, text, tuples
from vnet.configuration import Distribution, FaultKind
from vnet.errors import InvalidMessageError

networks = st.none() | filled
durations = st.none() | st.integers(1, 10**12).map(lambda us: us / 1_000_000)
changes = st.builds(
    LinkChange,
    delay_ns=st.none() | counts,
    jitter_ns=st.none() | counts,
    distribution=st.none() | st.sampled_from(Distribution),
    loss=st.none() | fractions,
    gilbert_elliott=st.none() | bursts,
    rate_bit_s=st.none() | counts,
    queue_packets=st.none() | small,
    mtu_bytes=st.none() | st.just(0) | st.integers(576, 65_535),
    duplicate=st.none() | fractions,
    reorder=st.none() | fractions,
    corrupt=st.none() | fractions,
)
parts = st.builds(
    Part,
    kind=st.sampled_from(FaultKind),
    groups=tuples(tuples(text)),
    oneway=st.booleans(),
    name=networks,
    duration_s=durations,
)


@given(
    wanted=st.builds(
        SetLink,
        first=filled,
        second=filled,
        network=networks,
        change=changes,
        direction=st.sampled_from(LinkDirection),
        duration_s=durations,
    )
)
def test_a_change_of_a_link_survives_the_wire(wanted: SetLink) -> None:
    wire = set_link_to_message(wanted).SerializeToString()
    assert set_link_from_message(pb.SetLinkRequest.FromString(wire)) == wanted


@given(wanted=st.builds(ResetLink, first=filled, second=filled, network=networks))
def test_a_reset_survives_the_wire(wanted: ResetLink) -> None:
    wire = reset_to_message(wanted).SerializeToString()
    assert reset_from_message(pb.ResetLinksRequest.FromString(wire)) == wanted


def test_a_reset_of_all_links_survives_the_wire() -> None:
    assert reset_from_message(reset_to_message(ResetLinks())) == ResetLinks()


@given(wanted=parts)
def test_a_partition_or_a_hold_survives_the_wire(wanted: Part) -> None:
    if wanted.kind is FaultKind.CUT:
        cut = partition_to_message(wanted).SerializeToString()
        assert part_from_message(pb.PartitionRequest.FromString(cut)) == wanted
    else:
        held = hold_to_message(wanted).SerializeToString()
        assert part_from_message(pb.HoldRequest.FromString(held)) == wanted


def test_a_mend_says_what_is_to_end_by_the_call_that_it_is_in() -> None:
    assert mend_from_message(pb.HealRequest(name="a")) == Mend(kind=FaultKind.CUT, name="a")
    assert mend_from_message(pb.ReleaseRequest()) == Mend(kind=FaultKind.HOLD)


@given(wire=st.binary(max_size=80))
def test_no_bytes_can_break_the_reading_of_a_change(wire: bytes) -> None:
    with contextlib.suppress(InvalidMessageError, DecodeError):
        set_link_from_message(pb.SetLinkRequest.FromString(wire))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (pb.LinkChange(loss_fraction=1.5), "loss_fraction"),
        (pb.LinkChange(mtu_bytes=100), "mtu_bytes"),
        (pb.LinkChange(distribution=99), "distribution"),  # type: ignore[arg-type]
    ],
)
def test_a_parameter_out_of_its_range_is_named(change: pb.LinkChange, field: str) -> None:
    request = pb.SetLinkRequest(ends=pb.LinkEnds(first="a", second="b"), change=change)
    with pytest.raises(InvalidMessageError, match=f"field {field} "):
        set_link_from_message(request)


def test_a_link_has_two_ends() -> None:
    with pytest.raises(InvalidMessageError, match=r"field ends\.second is empty"):
        set_link_from_message(pb.SetLinkRequest(ends=pb.LinkEnds(first="a")))


def test_a_duration_too_short_for_the_wire_does_not_become_for_ever() -> None:
    short = Part(kind=FaultKind.CUT, groups=(("a",), ("b",)), duration_s=1e-9)
    assert part_from_message(partition_to_message(short)).duration_s == 1e-6
