from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pod_node.health import (
    EARLY_PROBE_S,
    Health,
    HealthChanged,
    HealthCommand,
    HealthMonitor,
    ListenerOpened,
    ProbeFailed,
    ProbeSucceeded,
    StartProbe,
    TimerFired,
)
from pod_node.spec import HealthCheck, ProbeKind
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBE_S = 0.01


def check(
    *, retries: int = 3, start_period_s: float = 0.0, start_interval_s: float = 5.0
) -> HealthCheck:
    return HealthCheck(
        kind=ProbeKind.TCP,
        port=80,
        interval_s=10.0,
        timeout_s=3.0,
        retries=retries,
        start_period_s=start_period_s,
        start_interval_s=start_interval_s,
    )


class Patient:
    """A monitor and a clock; answers probes from a list of outcomes."""

    def __init__(self, health_check: HealthCheck) -> None:
        self.clock = FakeClock(0.0)
        self.monitor = HealthMonitor(health_check, self.clock())
        self.probes: list[float] = []
        self.changes: list[tuple[float, Health]] = []

    def probe(self, succeeds: bool) -> None:
        """Let time pass until the next probe, and answer it."""
        due = self.monitor.poll_at()
        assert due is not None
        self.clock.now = max(due, self.clock.now)
        commands = self.monitor.handle(TimerFired(), self.clock())
        assert commands == [StartProbe(3.0)]
        assert self.monitor.poll_at() is None
        self.probes.append(self.clock())
        outcome = ProbeSucceeded() if succeeds else ProbeFailed("refused")
        self._note(self.monitor.handle(outcome, self.clock.advance(PROBE_S)))

    def probe_until(self, time_s: float, succeeds: bool) -> None:
        while (due := self.monitor.poll_at()) is not None and due <= time_s:
            self.probe(succeeds)

    def _note(self, commands: Sequence[HealthCommand]) -> None:
        for command in commands:
            assert isinstance(command, HealthChanged)
            self.changes.append((self.clock(), command.health))


def test_a_quick_pod_is_found_healthy_long_before_its_first_interval() -> None:
    patient = Patient(check())
    patient.probe(succeeds=True)
    assert patient.changes == [(EARLY_PROBE_S + PROBE_S, Health.HEALTHY)]


def test_early_failures_do_not_count() -> None:
    patient = Patient(check(retries=1))
    patient.probe_until(9.99, succeeds=False)
    assert len(patient.probes) > 3
    assert patient.changes == []
    patient.probe(succeeds=False)
    assert patient.changes == [(10.0 + PROBE_S, Health.UNHEALTHY)]


def test_early_probes_come_at_growing_intervals() -> None:
    patient = Patient(check())
    patient.probe_until(9.0, succeeds=False)
    gaps = [later - earlier for earlier, later in itertools.pairwise(patient.probes)]
    assert gaps == sorted(gaps)


def test_so_many_failures_in_a_row_as_retries_make_a_pod_unhealthy() -> None:
    patient = Patient(check(retries=3))
    patient.probe(succeeds=True)
    for _ in range(2):
        patient.probe(succeeds=False)
    patient.probe(succeeds=True)
    for _ in range(3):
        patient.probe(succeeds=False)
    assert [health for _, health in patient.changes] == [Health.HEALTHY, Health.UNHEALTHY]
    assert patient.monitor.last_failure == "refused"


def test_one_success_makes_an_unhealthy_pod_healthy_again() -> None:
    patient = Patient(check(retries=1))
    patient.probe(succeeds=True)
    patient.probe(succeeds=False)
    patient.probe(succeeds=True)
    assert patient.monitor.health is Health.HEALTHY
    assert patient.monitor.last_failure == ""


def test_failures_in_the_start_period_are_forgiven() -> None:
    patient = Patient(check(start_period_s=60.0, retries=1))
    patient.probe_until(59.0, succeeds=False)
    assert patient.changes == []
    patient.probe_until(80.0, succeeds=False)
    assert [health for _, health in patient.changes] == [Health.UNHEALTHY]


def test_the_first_success_ends_the_start_period() -> None:
    patient = Patient(check(start_period_s=600.0, retries=1))
    patient.probe(succeeds=True)
    patient.probe(succeeds=False)
    assert patient.monitor.health is Health.UNHEALTHY


def test_in_the_start_period_regular_probes_come_every_start_interval() -> None:
    patient = Patient(check(start_period_s=60.0, start_interval_s=2.0))
    patient.probe_until(60.0, succeeds=False)
    gaps = [later - earlier for earlier, later in itertools.pairwise(patient.probes)]
    assert max(gaps) < 2.0 + 2 * PROBE_S


def test_a_wakeup_before_time_is_dropped() -> None:
    monitor = HealthMonitor(check(), 0.0)
    assert monitor.handle(TimerFired(), 0.001) == []


def test_probes_never_overlap() -> None:
    monitor = HealthMonitor(check(), 0.0)
    assert monitor.handle(TimerFired(), 10.0) == [StartProbe(3.0)]
    assert monitor.handle(TimerFired(), 1000.0) == []


@given(
    outcomes=st.lists(st.booleans(), max_size=60),
    retries=st.integers(1, 5),
    start_period_s=st.sampled_from([0.0, 15.0, 100.0]),
)
def test_verdicts_follow_the_outcomes(
    outcomes: list[bool], retries: int, start_period_s: float
) -> None:
    patient = Patient(check(retries=retries, start_period_s=start_period_s))
    for outcome in outcomes:
        patient.probe(outcome)
        if outcome:
            assert patient.monitor.health is Health.HEALTHY
    states = [health for _, health in patient.changes]
    assert all(a is not b for a, b in itertools.pairwise(states)), "only changes are told"
    if not any(outcomes) and len(patient.probes) < retries:
        assert states == []


def test_a_pod_that_begins_to_listen_is_probed_at_once() -> None:
    patient = Patient(check())
    patient.clock.now = 0.01
    assert patient.monitor.handle(ListenerOpened(), 0.01) == []
    patient.probe(succeeds=True)
    assert patient.probes == [0.01]
    assert patient.monitor.health is Health.HEALTHY
    due = patient.monitor.poll_at()
    patient.monitor.handle(ListenerOpened(), 0.02)
    assert patient.monitor.poll_at() == due, "only a start is looked at early"


def test_a_pod_that_begins_to_listen_during_a_probe_is_probed_again_at_once() -> None:
    monitor = HealthMonitor(check(), 0.0)
    assert monitor.handle(TimerFired(), EARLY_PROBE_S) == [StartProbe(3.0)]
    monitor.handle(ListenerOpened(), EARLY_PROBE_S + 0.001)
    assert monitor.poll_at() is None
    monitor.handle(ProbeFailed("refused"), EARLY_PROBE_S + 0.002)
    assert monitor.poll_at() == EARLY_PROBE_S + 0.002
    assert monitor.handle(TimerFired(), EARLY_PROBE_S + 0.002) == [StartProbe(3.0)]
    monitor.handle(ProbeFailed("no answer"), EARLY_PROBE_S + 0.003)
    later = monitor.poll_at()
    assert later is not None
    assert later > EARLY_PROBE_S + 0.003, "once"
