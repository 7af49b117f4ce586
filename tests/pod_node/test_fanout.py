from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pod_node.fanout import Fanout


async def test_every_reader_gets_every_value() -> None:
    fanout: Fanout[int] = Fanout(8)
    with fanout.subscribe() as first, fanout.subscribe() as second:
        fanout.publish(1)
        fanout.publish(2)
        fanout.close()
        assert [value async for value in first] == [1, 2]
        assert [value async for value in second] == [1, 2]


async def test_a_slow_reader_loses_the_oldest_values_and_can_tell() -> None:
    fanout: Fanout[int] = Fanout(3)
    with fanout.subscribe() as reader:
        for value in range(10):
            fanout.publish(value)
        fanout.close()
        assert [value async for value in reader] == [7, 8, 9]
        assert reader.lost == 7


async def test_a_reader_that_left_costs_nothing() -> None:
    fanout: Fanout[int] = Fanout(3)
    with fanout.subscribe():
        pass
    assert len(fanout) == 0
    fanout.publish(1)


@given(count=st.integers(0, 50), capacity=st.integers(1, 20))
async def test_what_is_kept_and_what_is_lost_add_up(count: int, capacity: int) -> None:
    fanout: Fanout[int] = Fanout(capacity)
    with fanout.subscribe() as reader:
        for value in range(count):
            fanout.publish(value)
        fanout.close()
        kept = [value async for value in reader]
    assert kept == list(range(count))[-capacity:]
    assert len(kept) + reader.lost == count
