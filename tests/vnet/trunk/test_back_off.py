"""Nodes that cannot reach each other try ever less often, and at once after a stream that held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vnet.trunk.back_off import FIRST_S, MOST_S, WELL_S, BackOff


def test_waits_double_up_to_the_bound() -> None:
    back_off = BackOff()
    waits = [back_off.next_s(0.0, luck=0.0) for _ in range(9)]
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-2:] == [MOST_S, MOST_S]


def test_a_stream_that_held_begins_anew() -> None:
    back_off = BackOff()
    for _ in range(9):
        back_off.next_s(WELL_S, luck=0.0)
    assert back_off.next_s(WELL_S + 1, luck=0.0) == FIRST_S
    assert back_off.next_s(0.0, luck=0.0) == 2 * FIRST_S


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), max_size=20))
def test_a_wait_is_never_none_and_never_long(attempts: list[tuple[float, float]]) -> None:
    back_off = BackOff()
    for lasted_s, luck in attempts:
        assert FIRST_S / 2 <= back_off.next_s(lasted_s, luck) <= MOST_S
