from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.serving.attempts import ADDRESSES_MOST, BURST, REFILL_S, Attempts


def test_an_address_may_be_wrong_a_few_times_and_then_waits() -> None:
    attempts = Attempts()
    for _ in range(BURST):
        assert attempts.wait_s("a", 5.0) == 0
        attempts.failed("a", 5.0)
    assert attempts.wait_s("a", 5.0) == REFILL_S
    assert attempts.wait_s("b", 5.0) == 0, "others are not concerned"
    assert attempts.wait_s("a", 5.0 + REFILL_S) == 0
    attempts.failed("a", 5.0 + REFILL_S)
    assert attempts.wait_s("a", 5.0 + REFILL_S) > 0


@given(times=st.lists(st.floats(0, 100), max_size=300).map(sorted))
def test_no_rhythm_allows_more_than_the_burst_and_the_refill(times: list[float]) -> None:
    attempts = Attempts()
    allowed = 0
    for now in times:
        if attempts.wait_s("a", now) == 0:
            attempts.failed("a", now)
            allowed += 1
    assert allowed <= BURST + 1 + ((times[-1] - times[0]) / REFILL_S if times else 0)


def test_memory_is_bounded_and_the_latest_stay() -> None:
    attempts = Attempts()
    for number in range(ADDRESSES_MOST + 10):
        for _ in range(BURST):
            attempts.failed(str(number), 0.0)
    assert attempts.wait_s(str(ADDRESSES_MOST + 9), 0.0) > 0
    assert attempts.wait_s("0", 0.0) == 0
