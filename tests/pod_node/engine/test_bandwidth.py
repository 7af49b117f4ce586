"""The arithmetic of a guest's share of a processor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.engine.bandwidth import PERIOD_S, Bandwidth

Step = tuple[float, float]
"""For how long a guest rests, then computes, until it is asked again."""

STEPS = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.05)), min_size=1, max_size=50)
CPUS = st.floats(0.01, 1, exclude_max=True)


def run(bandwidth: Bandwidth, steps: list[Step]) -> tuple[float, float]:
    """Do as a guest that waits when it must; returns the CPU time that it had, and the time."""
    used = now = 0.0
    for rest, compute in steps:
        used, now = used + compute, now + rest + compute
        while wait := bandwidth.charge(used, now):
            assert wait > 0
            now += wait
    return used, now


@given(CPUS, STEPS)
def test_a_guest_has_no_more_than_its_share_and_one_quota(cpus: float, steps: list[Step]) -> None:
    used, now = run(Bandwidth(cpus, 0.0), steps)
    assert used <= cpus * (now + PERIOD_S) + 1e-6


@given(CPUS, STEPS)
def test_no_guest_waits_that_has_not_used_its_quota(cpus: float, steps: list[Step]) -> None:
    bandwidth = Bandwidth(cpus, 0.0)
    _, now = run(bandwidth, steps)
    fresh = now + 2 * PERIOD_S
    used, _ = run(Bandwidth(cpus, 0.0), steps)
    assert bandwidth.charge(used, fresh) == 0
    assert bandwidth.charge(used + 0.9 * cpus * PERIOD_S, fresh) == 0


def test_a_used_up_quota_waits_for_the_next_period() -> None:
    bandwidth = Bandwidth(0.5, 10.0)
    assert bandwidth.charge(0.049, 10.049) == 0
    assert bandwidth.charge(0.05, 10.06) == pytest.approx(0.04)
    assert bandwidth.charge(0.05, 10.1001) == 0


def test_what_was_used_beyond_is_taken_from_the_periods_to_come() -> None:
    bandwidth = Bandwidth(0.2, 0.0)
    assert bandwidth.charge(0.07, 0.07) == pytest.approx(0.23)
    assert bandwidth.charge(0.07, 0.2999) == pytest.approx(0.0001)
    assert bandwidth.charge(0.07, 0.3001) == 0


def test_what_was_left_is_not_saved() -> None:
    bandwidth = Bandwidth(0.2, 0.0)
    assert bandwidth.charge(0.0, 60.0) == 0
    assert bandwidth.charge(0.021, 60.021) > 0
