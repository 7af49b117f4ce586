"""When a pod counts as healthy: Compose's health check as a state machine.

Owns the decision when to probe and what a series of outcomes means. Does not probe: `probe.py`
does, and tells the machine what came of it. Semantics follow Compose and Docker: `retries` failures
in a row make a pod unhealthy, one success makes it healthy again, failures in the start period do
not count until the first success, and within that period probes come every `start_interval`. Like
Docker, the next interval begins when a probe ends, so slow probes never overlap.

One addition: a pod that is still starting is also probed early, as soon as it listens, and at
growing intervals. Early failures never count, so all they can do is find a quick pod healthy sooner
than its first interval; a pod boots in milliseconds here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from pod_node.spec import HealthCheck

EARLY_PROBE_S = 0.04
"""Age at the first early probe: about when a CPython pod prints its first line."""
EARLY_GROWTH = 1.25
"""Each early gap is so much longer: a start is noticed late by at most a quarter of its length."""


class Health(Enum):
    """What the checks say so far."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class ProbeSucceeded:
    """The pod answered as it should."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """The pod did not answer, or not as it should."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Time has passed; the machine checks for itself whether anything is due."""


@dataclass(frozen=True, slots=True)
class ListenerOpened:
    """A program of the pod listens where probes go."""


HealthEvent = ProbeSucceeded | ProbeFailed | TimerFired | ListenerOpened


@dataclass(frozen=True, slots=True)
class StartProbe:
    """Probe once and report the outcome."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The verdict changed."""

    health: Health
    reason: str


HealthCommand = StartProbe | HealthChanged


class HealthMonitor:
    """Health of one pod, from its start to its end."""

    def __init__(self, check: HealthCheck, now: float) -> None:
        self._check = check
        self._started_at = now
        self._failures = 0
        self._early_gap_s = EARLY_PROBE_S
        self._regular_at = now + self._interval(now, Health.STARTING)
        self._due: float | None = min(self._regular_at, now + self._early_gap_s)
        self._probe_counts = False
        self._listens = False
        """It has begun to listen, and no probe has begun since."""
        self.health = Health.STARTING
        self.last_failure = ""
        """Why the latest probe failed; empty after a success."""

    def poll_at(self) -> float | None:
        """When the next probe is due; None while one is under way."""
        return self._due

    def handle(self, event: HealthEvent, now: float) -> list[HealthCommand]:
        """Take one event and say what to do about it."""
        match event:
            case TimerFired():
                return self._on_timer(now)
            case ProbeSucceeded():
                return self._on_success(now)
            case ProbeFailed(reason):
                return self._on_failure(reason, now)
            case ListenerOpened():
                self._listens = self.health is Health.STARTING
                if self._due is not None and self._listens:
                    self._due = min(self._due, now)
                return []
            case _:
                assert_never(event)

    def _on_timer(self, now: float) -> list[HealthCommand]:
        if self._due is None or now < self._due:
            return []
        self._due = None
        self._listens = False
        self._probe_counts = now >= self._regular_at
        return [StartProbe(self._check.timeout_s)]

    def _on_success(self, now: float) -> list[HealthCommand]:
        self._failures = 0
        self.last_failure = ""
        commands = self._become(Health.HEALTHY, "")
        self._schedule(now)
        return commands

    def _on_failure(self, reason: str, now: float) -> list[HealthCommand]:
        self.last_failure = reason
        if not self._probe_counts:
            self._early_gap_s *= EARLY_GROWTH
            gap_s = 0.0 if self._listens else self._early_gap_s
            self._due = min(self._regular_at, now + gap_s)
            return []
        forgiven = self.health is Health.STARTING and self._in_start_period(now)
        self._schedule(now)
        if forgiven:
            return []
        self._failures += 1
        if self._failures < self._check.retries:
            return []
        return self._become(Health.UNHEALTHY, reason)

    def _become(self, health: Health, reason: str) -> list[HealthCommand]:
        if self.health is health:
            return []
        self.health = health
        return [HealthChanged(health, reason)]

    def _schedule(self, now: float) -> None:
        self._regular_at = now + self._interval(now, self.health)
        self._due = self._regular_at
        if self.health is Health.STARTING:
            self._due = min(self._regular_at, now + self._early_gap_s)

    def _in_start_period(self, now: float) -> bool:
        return now - self._started_at < self._check.start_period_s

    def _interval(self, now: float, health: Health) -> float:
        """Say how long until the next regular probe; a first success ends the start period."""
        if health is Health.STARTING and self._in_start_period(now):
            return self._check.start_interval_s
        return self._check.interval_s
