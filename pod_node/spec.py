"""What a pod is, as plain values: everything the node needs to boot one.

Owns the vocabulary shared by the node, its gRPC codec and the orchestrator's planner. Parses
nothing and touches no file; a value that reaches this module has been validated at the edge that
read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path


DEFAULT_STOP_SIGNAL = 15
"""TERM, as Compose has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A pod's attachment to one network."""

    network: str
    address: IPv4Address
    prefix: int
    """Length of the network's prefix in bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A directory or file of the host seen inside the pod."""

    source: Path
    target: str
    """Absolute path in the guest."""
    read_only: bool = False
    layer: bool = False
    """Files of an image: nobody but podnet ever puts anything there."""
    links: bool = False
    """Of a layer: whether symbolic links may be in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A directory in memory that is the pod's own, gone with its end."""

    target: str
    """Absolute path in the guest."""
    size_bytes: int = 64 * 1024 * 1024
    """The most that files in it may take (ENOSPC); counts as disk, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one pod may use; over a limit the guest gets the errno that Linux gives."""

    memory_bytes: int = 512 * 1024 * 1024
    """Linear memory and tables of all processes together; past it `memory.grow` fails and the guest
    sees ENOMEM."""
    descriptors: int = 16_384
    """Open descriptors (EMFILE)."""
    sockets: int = 12_288
    """Sockets, those waiting in an accept queue included (ENOBUFS)."""
    fabric_bytes: int = 256 * 1024 * 1024
    """Bytes of the fabric held by the pod's sockets and pipes (ENOBUFS)."""
    processes: int = 64
    """Processes at once, those included that ended and were not waited for (EAGAIN)."""
    disk_bytes: int = 1024 * 1024 * 1024
    """What the pod's root and its tmpfs may take together (EDQUOT)."""
    cpus: float | None = None
    """Processors' worth of time of all processes together; past it they wait. None: no limit."""


class ProbeKind(Enum):
    """How a health check asks."""

    TCP = "tcp"
    HTTP = "http"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """When a pod counts as healthy; the words and defaults are Compose's."""

    kind: ProbeKind
    port: int = 0
    """Unused for a command."""
    path: str = "/"
    """Request target of an HTTP probe; unused otherwise."""
    command: tuple[str, ...] = ()
    """Program and arguments that are run in the pod; unused for the others."""
    interval_s: float = 30.0
    timeout_s: float = 30.0
    retries: int = 3
    start_period_s: float = 0.0
    start_interval_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """One pod, complete: the node asks nobody anything else to boot it."""

    name: str
    """Unique in the deployment, for example `api-2`; also the hostname."""
    service: str
    image: str
    command: tuple[str, ...]
    """Program and arguments; an empty tuple means the image's own entry."""
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str = "/"
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    limits: Limits = field(default_factory=Limits)
    healthcheck: HealthCheck | None = None
    stop_signal: int = DEFAULT_STOP_SIGNAL
    """What asks its main process to end, by its number on Linux."""
    stdin_open: bool = False
    """Whether its main process reads what those write who are attached; otherwise it finds the end
    of its input at once."""
    tty: bool = False
    """Whether its main process has a terminal, on which without `stdin_open` nobody types."""


class ExitKind(Enum):
    """Why a guest's thread ended."""

    EXITED = "exited"
    """The program ended by itself with an exit status."""
    KILLED = "killed"
    """The node was told to kill it."""
    TRAPPED = "trapped"
    """The program broke a rule of the machine: unreachable code, a wild access, stack overflow."""
    OUT_OF_MEMORY = "out-of-memory"
    """A trap at the pod's limit of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodExit:
    """How a pod ended."""

    kind: ExitKind
    status: int
    """The exit status as a shell shows it: 137 for a kill, 134 for a trap."""
    reason: str = ""
    """One line for people; empty for a plain exit."""
