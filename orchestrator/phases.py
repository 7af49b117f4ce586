"""Where a pod of a deployment is, as a person sees it.

Owns the words and the value that tables and logs show. How a pod gets from one phase to the next is
`deploy.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pod_node.spec import ExitKind

if TYPE_CHECKING:
    from pod_node.spec import PodExit, PodSpec


class Phase(Enum):
    """Where a pod is, as a person sees it."""

    WAITING = "waiting"
    PULLING = "pulling"
    COMPILING = "compiling"
    STARTING = "starting"
    RUNNING = "running"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    EXITED = "exited"
    RESTARTING = "restarting"
    CRASH_LOOP = "crash-loop"
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def final(self) -> bool:
        """Whether nothing will change the pod any more."""
        return self in (Phase.EXITED, Phase.FAILED, Phase.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod as a table shows it."""

    spec: PodSpec
    phase: Phase = Phase.WAITING
    reason: str = ""
    exit: PodExit | None = None
    boot_s: float | None = None
    """From the request to a guest that runs."""
    ready_s: float | None = None
    """From the request to the first answered probe; None without a health check."""
    restarts: int = 0

    @property
    def state(self) -> str:
        """The phase in words, with the exit status where there is one."""
        if self.phase is Phase.EXITED and self.exit is not None:
            word = "exited" if self.exit.kind is ExitKind.EXITED else self.exit.kind.value
            return f"{word} ({self.exit.status})"
        return self.phase.value

    @property
    def succeeded(self) -> bool:
        """Whether the pod ended for good and as it should."""
        return self.phase is Phase.EXITED and self.exit is not None and self.exit.status == 0
