"""What can be changed of a running deployment: its links, who reaches whom, its pods.

Owns the values, which a schedule, a command and a message have in common. What they do to the
network is `impairments.py`'s business. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from orchestrator.topology.link_change import LinkChange
from orchestrator.topology.values import LinkDirection
from vnet.configuration import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLink:
    """Change the link between two services or pods; one that is not there comes to be."""

    first: str
    second: str
    change: LinkChange
    network: str | None = None
    """None where the two share only one."""
    direction: LinkDirection = LinkDirection.BOTH
    duration_s: float | None = None
    """None for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetLink:
    """Make a link what the topology says."""

    first: str
    second: str
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetLinks:
    """Make all links what the topology says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lose, or hold, whatever groups of services and pods send to each other."""

    kind: FaultKind
    groups: tuple[tuple[str, ...], ...]
    oneway: bool = False
    """Only what the first group sends to the second."""
    name: str | None = None
    """None for `partition-1` and so on."""
    duration_s: float | None = None
    """None until somebody ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """End a partition or let held packets go."""

    kind: FaultKind
    name: str | None = None
    """None for all of the kind."""


Impairment: TypeAlias = SetLink | ResetLink | ResetLinks | Part | Mend


class PodVerb(Enum):
    """What can be done to pods."""

    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAction:
    """Do something to pods."""

    verb: PodVerb
    pods: tuple[str, ...]
    duration_s: float | None = None
    """After what time paused pods go on; None is never."""


Change: TypeAlias = Impairment | PodAction
