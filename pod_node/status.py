"""What a node says about its pods and portals: states, and the events that announce changes.

Owns the vocabulary between the node, its gRPC codec and whoever watches. Holds no state and does no
I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from pod_node.spec import ExitKind, PodExit, PodSpec
from vnet.egress import EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from pod_node.health import Health


class PodState(Enum):
    """Where a pod is in its life on the node."""

    BOOTING = "booting"
    """Being linked; its guest has not run yet."""
    RUNNING = "running"
    """Its guest runs."""
    STOPPING = "stopping"
    """Asked to end, and has not yet."""
    EXITED = "exited"
    """Its guest has ended; `exit` says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatus:
    """A pod as it stands."""

    spec: PodSpec
    state: PodState
    generation: int
    """Counts the boots of this name on this node, from 1; tells two lives of a name apart."""
    health: Health | None = None
    """None for a pod without a health check."""
    health_reason: str = ""
    """Why the latest verdict is not healthy."""
    exit: PodExit | None = None
    booted_at_s: float = 0.0
    """Seconds since the epoch at which it was booted."""
    boot_s: float = 0.0
    """From the request to the guest's first instruction; zero while booting."""
    exited_at_s: float = 0.0
    """Seconds since the epoch at which it ended; zero unless EXITED."""
    paused: bool = False
    """Whether it is kept from running."""
    full_disk: str = ""
    """Which of its own folders had no room for something, the latest; empty while all had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStateChanged:
    """A pod moved on in its life, other than to its end."""

    pod: str
    generation: int
    state: PodState
    boot_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodHealthChanged:
    """The health checks came to another verdict."""

    pod: str
    generation: int
    health: Health
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPauseChanged:
    """A pod was paused or resumed."""

    pod: str
    generation: int
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDiskFull:
    """A pod was told that one of its own folders has no more room: once in its life for each."""

    pod: str
    generation: int
    target: str
    """Where it sees that folder; `/` is all that it may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodExited:
    """A pod ended."""

    pod: str
    generation: int
    exit: PodExit
    last_error_line: str
    """The last line that it wrote to standard error; empty when it wrote none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNotice:
    """Something about a pod's log that its owner should know."""

    pod: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodExisting:
    """A pod as it stood when the watching began."""

    status: PodStatus


@dataclass(frozen=True, slots=True)
class Synced:
    """All pods that existed have been reported."""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The watcher was too slow; it should watch anew."""

    count: int


Happening: TypeAlias = (
    PodExisting
    | Synced
    | PodStateChanged
    | PodHealthChanged
    | PodPauseChanged
    | PodDiskFull
    | PodExited
    | LogNotice
    | EgressAttempt
    | EgressEnded
    | EventsLost
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """One thing that happened on a node."""

    sequence: int
    time_s: float
    """Seconds since the epoch."""
    happening: Happening


@dataclass(frozen=True, slots=True)
class PortalBackend:
    """A pod behind a portal."""

    pod: str
    address: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPortal:
    """A way from the host's loopback to a port of a service's pods."""

    portal_id: str
    service: str
    port: int
    host_port: int
    url: str
    """Whoever knows it can use the portal."""
    backends: tuple[PortalBackend, ...]
    label: str = ""
    """The part of the URL that cannot be guessed."""
    pinned: bool = False
    """Whether the host port is the portal's alone."""


def exit_reason(end: PodExit, last_error_line: str) -> str:
    """Say in one line why a guest ended, taking its own last words where the machine has none."""
    if end.reason:
        return end.reason
    if end.kind is ExitKind.EXITED and end.status != 0:
        return last_error_line
    return ""
