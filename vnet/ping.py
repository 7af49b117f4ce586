"""What can become of an echo request (RFC 792), as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EchoOutcome(Enum):
    """What became of it."""

    REPLY = "reply"
    TIMEOUT = "timeout"
    """No answer came in time: it was lost, cut or held, or the target is paused."""
    HOST_UNREACHABLE = "host unreachable"
    """No pod has the address now."""
    NETWORK_UNREACHABLE = "network unreachable"
    """No route leads from the source to the target."""
    DENIED = "denied"
    """A policy denies it: rules that name ports allow TCP and UDP only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoResult:
    """What became of one request."""

    outcome: EchoOutcome
    rtt_ns: int = 0
    """Time from the request to the reply, exact in the simulation; 0 without a reply."""
    policy: str = ""
    """Which policy denies the request; empty when none does."""

    @property
    def text(self) -> str:
        """The outcome for people."""
        if self.outcome is EchoOutcome.DENIED:
            return f"denied by policy {self.policy}" if self.policy else "denied by a policy"
        return str(self.outcome.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedEcho:
    """One of several requests, and what became of it."""

    sequence: int
    """Counts the requests, from 1."""
    result: EchoResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PingPlan:
    """How to ask, as for ping(8)."""

    count: int = 0
    """How many requests; 0 goes on until told to stop."""
    interval_s: float = 1.0
    payload_bytes: int = 56
    timeout_s: float = 4.0
    """For each answer."""
