"""One service's pods are replaced by those of a new version: which of them, and when.

Owns the batches, their pace, and what a failure does, by Compose's `update_config`. Pure: time is
an argument. How a pod is ended and booted again is `lives.py`'s business.

Names and addresses of replicas are stable and nobody has the same twice, so a pod cannot be started
before the one of its name has ended. `start-first` therefore borrows: pods of the new version under
the next free numbers come first, and go when all others are replaced. They are among those that a
rollout begins with.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.topology.values import FailureAction
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.topology.values import UpdatePolicy
    from orchestrator.views.phases import PodView

_FAILED = frozenset(
    {Phase.UNHEALTHY, Phase.RESTARTING, Phase.CRASH_LOOP, Phase.FAILED, Phase.BLOCKED}
)


class RolloutState(Enum):
    """Where a rollout stands."""

    UPDATING = "updating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A rollout as a person sees it."""

    service: str
    state: RolloutState
    updated: int
    """Pods that run what is declared."""
    total: int
    reason: str = ""
    """Why it came to a stand."""
    revision: int = 0
    """The revision that it leads to."""

    def __str__(self) -> str:
        text = f"{self.service}: {self.state.value}, {self.updated} of {self.total} pods replaced"
        return f"{text}: {self.reason}" if self.reason else text


@dataclass(slots=True)
class _Flight:
    """A pod that is being replaced."""

    ready_since: float | None = None


class Rollout:
    """The replacement of one service's pods."""

    def __init__(
        self,
        service: str,
        policy: UpdatePolicy,
        waiting: Sequence[str],
        begun: Iterable[str] = (),
    ) -> None:
        """Begin a rollout.

        Args:
            service: Whose pods.
            policy: How.
            waiting: The pods to replace, in this order.
            begun: Pods of the new version that are on their way already.
        """
        self.service = service
        self.policy = policy
        self.state = RolloutState.UPDATING
        self.reason = ""
        self._waiting = deque(waiting)
        self._flights = {name: _Flight() for name in begun}
        self._news = dict.fromkeys(self._flights)
        """Those of them to look at: their pods have changed, or were watched for long enough."""
        self._watched: dict[str, float] = {}
        """Since when those that are ready are watched for a failure; the first came first."""
        self._next_at: float | None = None

    @classmethod
    def standing(cls, service: str, policy: UpdatePolicy, reason: str) -> Rollout:
        """A rollout that came to a stand before."""
        rollout = cls(service, policy, ())
        rollout.state, rollout.reason = RolloutState.PAUSED, reason
        return rollout

    @property
    def active(self) -> bool:
        """Whether it is still at work."""
        return self.state is RolloutState.UPDATING

    def poll_at(self) -> float | None:
        """When something is due by time alone."""
        if not self.active:
            return None
        if self._flights:
            since = next(iter(self._watched.values()), None)
            return None if since is None else since + self.policy.monitor_s
        return self._next_at if self._waiting else None

    def notice(self, pod: str) -> None:
        """Take note that a pod of the service has changed."""
        if pod in self._flights:
            self._news[pod] = None

    def fail(self, reason: str) -> None:
        """A pod of the new version failed, or there can be none."""
        match self.policy.failure_action:
            case FailureAction.PAUSE:
                self.state, self.reason = RolloutState.PAUSED, reason
            case FailureAction.ROLLBACK:
                self.state, self.reason = RolloutState.ROLLED_BACK, reason
            case FailureAction.CONTINUE:
                self.reason = reason

    def advance(
        self,
        view_of: Callable[[str], PodView | None],
        now: float,
        can_begin: Callable[[str], bool],
    ) -> list[str]:
        """Look at the pods and say which ones to replace now.

        Args:
            view_of: Tells how a pod is, if there is one.
            now: The time.
            can_begin: Whether what a pod needs is there.
        """
        self._land(view_of, now)
        if not self.active or self._flights:
            return []
        if not self._waiting:
            self.state = RolloutState.COMPLETED
            return []
        if self._next_at is not None and now < self._next_at:
            return []
        return self._next_batch(can_begin)

    def _land(self, view_of: Callable[[str], PodView | None], now: float) -> None:
        """Look at the pods that may have been replaced by now, and at no others."""
        while self._watched:
            name, since = next(iter(self._watched.items()))
            if now < since + self.policy.monitor_s:
                break
            del self._watched[name]
            self._news[name] = None
        news, self._news = self._news, {}
        for name in news:
            flight = self._flights[name]
            if self.active and self._has_landed(name, flight, view_of(name), now):
                del self._flights[name]
                self._watched.pop(name, None)
                if not self._flights:
                    self._next_at = now + self.policy.delay_s

    def view(self, updated: int, total: int, revision: int) -> RolloutView:
        """Say where it stands.

        Args:
            updated: Pods of the service that run what is declared.
            total: All of its pods.
            revision: Where it leads to.
        """
        return RolloutView(
            service=self.service,
            state=self.state,
            updated=updated,
            total=total,
            reason=self.reason,
            revision=revision,
        )

    def _next_batch(self, can_begin: Callable[[str], bool]) -> list[str]:
        size = self.policy.parallelism or len(self._waiting)
        batch = list(islice(self._waiting, size))
        if not all(map(can_begin, batch)):
            return []
        for name in batch:
            self._waiting.popleft()
            self._flights[name] = _Flight()
            self._news[name] = None
        return batch

    def _has_landed(self, name: str, flight: _Flight, view: PodView | None, now: float) -> bool:
        if view is None:
            return True  # somebody removed it
        ended_badly = view.phase is Phase.EXITED and not view.succeeded
        if view.phase in _FAILED or ended_badly:
            why = f": {view.reason}" if view.reason else ""
            self.fail(f"{name} is {view.state}{why}")
            return True
        if not (view.ready or view.succeeded or view.phase is Phase.STOPPED):
            return False
        if flight.ready_since is None:
            flight.ready_since = self._watched[name] = now
        return now >= flight.ready_since + self.policy.monitor_s
