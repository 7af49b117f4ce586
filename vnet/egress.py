"""What the gateway tells of each attempt to leave the deployment.

Owns the values only. Every lookup that is denied and every connect is one `EgressAttempt`; one that
succeeded is followed by an `EgressEnded` of the same number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Decision(Enum):
    """What became of an attempt."""

    ALLOWED = "allowed"
    """A rule allows it, and the connection stands."""
    DENIED = "denied"
    """No rule allows it, the deny set has its address, or a limit is reached."""
    FAILED = "failed"
    """A rule allows it, but the destination could not be reached."""


class Ending(Enum):
    """How a connection ended."""

    CLOSED = "closed"
    """Both sides ended it."""
    RESET = "reset"
    """One side broke it off."""
    LIMIT = "limit"
    """The service's byte limit was reached."""
    IDLE = "idle"
    """One side had ended it, and the other was silent for too long."""
    POD_GONE = "pod-gone"
    """The pod ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressAttempt:
    """A pod tried to reach something outside."""

    number: int
    """Counts the gateway's attempts, from 1."""
    pod: str
    service: str
    target: str
    """The name or the address that the pod asked for."""
    port: int
    """0 for a lookup."""
    decision: Decision
    rule: str = ""
    """The rule that allows it, as it was written."""
    address: str = ""
    """The real address that was dialled, if one was."""
    reason: str = ""
    """Why it was denied or failed, for people."""
    duration_s: float = 0.0
    """From the connect to the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressEnded:
    """A connection to the world outside ended."""

    number: int
    """The attempt's."""
    pod: str
    service: str
    target: str
    port: int
    ending: Ending
    sent_bytes: int
    """From the pod."""
    received_bytes: int
    """To the pod."""
    duration_s: float


EgressHappening: TypeAlias = EgressAttempt | EgressEnded
