from __future__ import annotations

import contextlib

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from protos.vnet.v1 import statistics_pb2 as pb
from tests.support.network_values import statistics
from vnet.codec import statistics_from_message, statistics_to_message
from vnet.errors import InvalidMessageError
from vnet.statistics import LinkStatistics, NetworkStatistics


@given(counters=statistics)
def test_counters_survive_the_wire(counters: NetworkStatistics) -> None:
    wire = statistics_to_message(counters).SerializeToString()
    assert statistics_from_message(pb.NetworkStatistics.FromString(wire)) == counters


@given(wire=st.binary(max_size=120))
def test_no_bytes_can_break_the_reading_of_counters(wire: bytes) -> None:
    with contextlib.suppress(InvalidMessageError, DecodeError):
        statistics_from_message(pb.NetworkStatistics.FromString(wire))


def test_what_does_not_arrive_whole_counts_as_dropped_whatever_the_cause() -> None:
    link = LinkStatistics(
        link="a--b",
        packets=100,
        lost_packets=1,
        queue_full_packets=2,
        cut_packets=4,
        corrupted_packets=8,
        too_large_packets=16,
        no_memory_packets=32,
        duplicated_packets=1000,
    )
    assert link.dropped_packets == 63
