"""Where a pod of a deployment is, as a person sees it.

Owns the words and the value that tables and logs show. How a pod gets from one phase to the next is
`lifecycle/`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from orchestrator.topology.units import format_size
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
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether nothing will change the pod by itself."""
        return self in _FINAL

    @property
    def pending(self) -> bool:
        """Whether the pod has yet to be started."""
        return self in _PENDING

    @property
    def alive(self) -> bool:
        """Whether there is a guest."""
        return self in _ALIVE


_FINAL = frozenset({Phase.EXITED, Phase.FAILED, Phase.BLOCKED, Phase.STOPPED})
_PENDING = frozenset({Phase.WAITING, Phase.PULLING, Phase.COMPILING})
_ALIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.HEALTHY, Phase.UNHEALTHY, Phase.STOPPING})
_AFTER_AN_EXIT = (Phase.EXITED, Phase.RESTARTING, Phase.CRASH_LOOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod as a table shows it."""

    spec: PodSpec
    phase: Phase = Phase.WAITING
    reason: str = ""
    exit: PodExit | None = None
    boot_s: float | None = None
    """From the request to the guest's first instruction."""
    ready_s: float | None = None
    """From the request to the first answered probe; None without a health check."""
    restarts: int = 0
    paused: bool = False
    """Whether it is kept from running."""
    booted_at_s: float | None = None
    """When it was last booted, in seconds since the epoch; None while that is not known."""
    exited_at_s: float | None = None
    """When it ended, in seconds since the epoch; None while it has not."""
    machine: str = ""
    """Where it is; empty while that is not known."""
    outdated: bool = False
    """Whether it still runs what an earlier topology said."""
    full_disk: str = ""
    """Which of its own folders had no room for something, the latest; empty while all had."""

    @property
    def state(self) -> str:
        """The phase in words, with the exit status where there is one."""
        if self.paused:
            return f"{self.phase.value}, paused"
        if self.exit is None or self.phase not in _AFTER_AN_EXIT:
            return self.phase.value
        traps = self.phase is Phase.EXITED and self.exit.kind is not ExitKind.EXITED
        word = self.exit.kind.value if traps else self.phase.value
        return f"{word} ({self.exit.status})"

    @property
    def ready(self) -> bool:
        """Whether it may get traffic: healthy, or running without a health check."""
        checked = self.spec.healthcheck is not None
        return self.phase is (Phase.HEALTHY if checked else Phase.RUNNING)

    @property
    def succeeded(self) -> bool:
        """Whether the pod ended for good and as it should."""
        return self.phase is Phase.EXITED and self.exit is not None and self.exit.status == 0


def full_text(spec: PodSpec, target: str) -> str:
    """Say that a folder of a pod's own has no more room, and what would help."""
    if target == "/":
        size = format_size(spec.limits.disk_bytes)
        return f"its disk limit of {size} is reached; storage_opt raises it"
    sizes = [tmpfs.size_bytes for tmpfs in spec.tmpfs if tmpfs.target == target]
    return f"{target} is full" + (f" ({format_size(sizes[0])})" if sizes else "")
