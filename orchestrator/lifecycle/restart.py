"""When a pod that ended starts again: Docker's restart policies and its back-off.

Owns the decision and the delay for one pod. Starts nothing and reads no clock. As in Docker, the
delay begins at 100 ms, doubles with every restart up to a minute, and begins anew after a life of
ten seconds; the number of restarts that `on-failure:N` allows is counted over the pod's whole time.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.topology.values import RestartMode, RestartPolicy

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 60.0
STEADY_LIFE_S = 10.0
"""A pod that lived this long is no longer in a loop (Docker's default)."""
CRASH_LOOP_RESTARTS = 3
"""Short lives in a row after which a pod is shown as looping; fewer may be bad luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRecord:
    """What is to be remembered of a pod's restarts: another orchestrator goes on counting."""

    restarts: int
    short_lives: int
    delay_s: float
    generation: int
    """The life whose end was counted last."""
    due_at: float | None
    """When the next life begins; None when none is due."""


class RestartTimer:
    """The restarts of one pod."""

    def __init__(self, policy: RestartPolicy, record: RestartRecord | None = None) -> None:
        self.policy = policy
        self._delay_s = record.delay_s if record else 0.0
        self._short_lives = record.short_lives if record else 0
        self.restarts = record.restarts if record else 0
        """How often the pod was started again."""

    def record(self, generation: int, due_at: float | None) -> RestartRecord:
        """Say what is to be remembered."""
        return RestartRecord(
            restarts=self.restarts,
            short_lives=self._short_lives,
            delay_s=self._delay_s,
            generation=generation,
            due_at=due_at,
        )

    @property
    def looping(self) -> bool:
        """Whether the pod keeps ending soon after it starts."""
        return self._short_lives >= CRASH_LOOP_RESTARTS

    def delay_s(self, exit_status: int, life_s: float) -> float | None:
        """Say how long to wait before the next start after a life's end; None means not at all.

        Counts as a restart when it returns a delay.
        """
        if not self._wanted(exit_status):
            return None
        steady = life_s >= STEADY_LIFE_S
        self._short_lives = 0 if steady else self._short_lives + 1
        self._delay_s = FIRST_DELAY_S if steady or not self._delay_s else self._delay_s * 2
        self._delay_s = min(self._delay_s, LONGEST_DELAY_S)
        self.restarts += 1
        return self._delay_s

    def _wanted(self, exit_status: int) -> bool:
        match self.policy.mode:
            case RestartMode.NO:
                return False
            case RestartMode.ALWAYS | RestartMode.UNLESS_STOPPED:
                return True
            case RestartMode.ON_FAILURE:
                limit = self.policy.max_retries
                return exit_status != 0 and (limit is None or self.restarts < limit)
