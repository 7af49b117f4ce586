"""Programs that are run in a pod beside its own: what is asked for, what goes in, what comes out.

Values only; `sessions.py` carries them between a caller and a pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pod_node.spec import PodExit


@dataclass(frozen=True, slots=True)
class WindowSize:
    """The size of a terminal's window, in characters."""

    rows: int
    columns: int


DEFAULT_WINDOW = WindowSize(24, 80)
"""Of a terminal whose size nobody knows."""
DEFAULT_TERMINAL = "xterm"
"""What a program is told of its terminal that nobody described: what most of them understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOrder:
    """A program to run in a pod."""

    pod: str
    command: tuple[str, ...]
    """Program and arguments; empty is the image's shell."""
    environment: tuple[tuple[str, str], ...] = ()
    """Beside the pod's own, and before it."""
    working_dir: str = ""
    """Empty is the pod's own."""
    window: WindowSize | None = None
    """The terminal that the program has; None for pipes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCall:
    """A program for a pod's runtime to run."""

    arguments: tuple[str, ...]
    """The first is the program."""
    environment: tuple[tuple[str, str], ...] | None = None
    """None: the pod's own."""
    working_dir: str | None = None
    """None: the pod's own."""


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes for the program to read; what a key sends, with a terminal."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnd:
    """There is no more to read."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The window has another size."""

    window: WindowSize


@dataclass(frozen=True, slots=True)
class SendSignal:
    """A signal, by its number on Linux, for the program and what it has started."""

    number: int


ExecStep = Input | InputEnd | Resize | SendSignal


@dataclass(frozen=True, slots=True)
class Started:
    """The program runs."""

    pid: int


@dataclass(frozen=True, slots=True)
class Output:
    """What it wrote."""

    descriptor: int
    """1 or 2; with a terminal, all is 1."""
    data: bytes


@dataclass(frozen=True, slots=True)
class InputTaken:
    """The program has so much of its input that more may be sent."""

    size: int


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended; the last that is heard."""

    exit: PodExit


ExecEvent = Started | Output | InputTaken | Ended
