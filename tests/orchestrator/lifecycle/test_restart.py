from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lifecycle.restart import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    STEADY_LIFE_S,
    RestartTimer,
)
from orchestrator.topology.values import RestartMode, RestartPolicy

ALWAYS = RestartPolicy(RestartMode.ALWAYS)


def test_without_a_policy_nothing_starts_again() -> None:
    assert RestartTimer(RestartPolicy()).delay_s(1, 0.0) is None


@pytest.mark.parametrize("mode", [RestartMode.ALWAYS, RestartMode.UNLESS_STOPPED])
@pytest.mark.parametrize("status", [0, 1, 137])
def test_always_means_always(mode: RestartMode, status: int) -> None:
    assert RestartTimer(RestartPolicy(mode)).delay_s(status, 0.0) == FIRST_DELAY_S


def test_on_failure_leaves_a_success_alone() -> None:
    timer = RestartTimer(RestartPolicy(RestartMode.ON_FAILURE))
    assert timer.delay_s(0, 0.0) is None
    assert timer.delay_s(1, 0.0) == FIRST_DELAY_S


def test_on_failure_counts_its_tries() -> None:
    timer = RestartTimer(RestartPolicy(RestartMode.ON_FAILURE, 2))
    delays = [timer.delay_s(1, 0.0) for _ in range(3)]
    assert delays[2] is None
    assert None not in delays[:2]
    assert timer.restarts == 2


def test_the_delay_doubles_up_to_a_minute() -> None:
    timer = RestartTimer(ALWAYS)
    delays = [timer.delay_s(1, 0.0) for _ in range(12)]
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == LONGEST_DELAY_S


def test_a_steady_life_begins_the_delay_anew() -> None:
    timer = RestartTimer(ALWAYS)
    for _ in range(5):
        timer.delay_s(1, 0.0)
    assert timer.looping
    assert timer.delay_s(1, STEADY_LIFE_S) == FIRST_DELAY_S
    assert not timer.looping


def test_three_short_lives_in_a_row_are_a_loop() -> None:
    timer = RestartTimer(ALWAYS)
    seen = []
    for _ in range(4):
        timer.delay_s(1, 0.5)
        seen.append(timer.looping)
    assert seen == [False, False, True, True]


@given(lives=st.lists(st.floats(0, 100), max_size=40))
def test_delays_stay_within_their_bounds(lives: list[float]) -> None:
    timer = RestartTimer(ALWAYS)
    for life_s in lives:
        delay_s = timer.delay_s(1, life_s)
        assert delay_s is not None
        assert FIRST_DELAY_S <= delay_s <= LONGEST_DELAY_S
    assert timer.restarts == len(lives)
