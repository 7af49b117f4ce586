"""Packets of several nodes come in the order of their times, if they come in time at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.ordering import PacketOrder
from vnet.capture import CapturedPacket

HOLD_S = 1.0


def packet(time_ns: int) -> CapturedPacket:
    return CapturedPacket(time_ns=time_ns, size_bytes=1, data=b"")


def times(packets: tuple[CapturedPacket, ...]) -> list[int]:
    return [one.time_ns for one in packets]


def test_what_another_node_tells_later_but_saw_before_comes_first() -> None:
    order = PacketOrder(HOLD_S)
    order.put([packet(2), packet(5)], now=0.0)
    assert order.poll_at() == HOLD_S
    order.put([packet(1), packet(3), packet(7)], now=0.5)
    assert times(order.take(0.9)) == []
    assert times(order.take(1.0)) == [1, 2, 3, 5]
    assert order.poll_at() == 1.5
    assert times(order.take(1.5)) == [7]
    assert order.poll_at() is None


def test_one_that_comes_too_late_is_not_lost() -> None:
    order = PacketOrder(HOLD_S)
    order.put([packet(5)], now=0.0)
    assert times(order.take(1.0)) == [5]
    order.put([packet(4)], now=1.1)
    assert times(order.take(2.1)) == [4]


def test_at_the_end_all_are_taken() -> None:
    order = PacketOrder(HOLD_S)
    order.put([packet(2)], now=0.0)
    order.put([packet(1)], now=0.1)
    assert times(order.take_all()) == [1, 2]
    assert order.poll_at() is None


DELAYS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30)


@given(st.lists(DELAYS, min_size=1, max_size=4), st.integers(1, 10))
def test_nodes_that_tell_within_the_hold_are_merged_in_order(
    nodes: list[list[tuple[int, int]]], step: int
) -> None:
    """Times are milliseconds; each packet is told at most 20 after it passed."""
    order = PacketOrder(0.02)
    told: dict[int, list[int]] = {}
    for node in nodes:
        at, last = 0, 0
        for gap, delay in node:
            at += gap
            last = max(last, at + delay)  # a node tells in its own order
            told.setdefault(min(last, at + 20), []).append(at)
    seen: list[int] = []
    for now in range(0, 2000, step):
        for moment in range(now - step + 1, now + 1):
            order.put([packet(one) for one in told.get(moment, [])], moment / 1000)
        seen += times(order.take(now / 1000))
    assert seen == sorted(one for some in told.values() for one in some)
