"""Parameters become the kernel's fixed point and stay what they mean."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from pod_node.engine.link_records import (
    ALWAYS,
    STATISTICS_SIZE,
    link_number,
    pack_parameters,
    probability,
    unpack_statistics,
)
from tests.support.configurations import parameters
from vnet.configuration import Distribution, GilbertElliott, LinkParameters


@given(st.floats(0, 1), st.floats(0, 1))
def test_probabilities_keep_their_order_and_what_is_possible(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert 0 <= probability(low) <= probability(high) <= ALWAYS
    assert (probability(low) == 0) == (low == 0)
    assert (probability(high) == ALWAYS) == (high == 1)
    assert abs(probability(low) / 2**32 - low) <= 2**-31


@given(parameters)
def test_any_parameters_have_a_record(some: LinkParameters) -> None:
    delay, jitter, rate, *words = struct.unpack("<3Q12I", pack_parameters(some))
    assert (delay, jitter, rate) == (some.delay_ns, some.jitter_ns, some.rate_bit_s)
    assert words[2] == (some.gilbert_elliott is not None)
    assert words[10:] == [some.queue_packets, some.mtu_bytes]


def test_fields_are_where_the_kernel_has_them() -> None:
    some = LinkParameters(
        distribution=Distribution.PARETO,
        loss=1.0,
        gilbert_elliott=GilbertElliott(
            good_to_bad=0.5, bad_to_good=0.25, loss_in_bad=1.0, loss_in_good=0.125
        ),
        duplicate=0.5,
        reorder=0.25,
        corrupt=0.125,
    )
    words = struct.unpack("<3Q12I", pack_parameters(some))[3:]
    chain = (2**31, 2**30, ALWAYS, 2**29)
    assert words == (2, ALWAYS, 1, *chain, 2**31, 2**30, 2**29, 1000, 1500)


def test_counters_are_read_in_the_kernel_s_order() -> None:
    record = struct.pack("<10Q2I", *range(1, 13))
    assert len(record) == STATISTICS_SIZE
    read = unpack_statistics(memoryview(record), "web--api", backward=True)
    assert (read.link, read.backward, read.packets, read.bytes) == ("web--api", True, 1, 2)
    assert (read.lost_packets, read.queue_full_packets, read.cut_packets) == (3, 4, 5)
    assert (read.corrupted_packets, read.too_large_packets, read.no_memory_packets) == (6, 7, 8)
    assert (read.duplicated_packets, read.reordered_packets) == (9, 10)
    assert (read.queued_packets, read.queued_most_packets) == (11, 12)


def test_a_link_has_the_same_luck_in_every_run() -> None:
    assert link_number("web--api") == 0x664817B8
    assert link_number("web--api") != link_number("api--web")
