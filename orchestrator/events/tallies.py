"""How often things have happened to a deployment since its orchestrator began.

Owns the counts. Keys are words of `happenings.py` and names of services, so that there are only so
many. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from vnet.egress import EgressEnded

if TYPE_CHECKING:
    from orchestrator.events.happenings import EventFacts
    from orchestrator.views.deployment import DeploymentHappening


class EventKind(NamedTuple):
    """Which events are counted together."""

    type: str
    action: str
    service: str
    """Empty when they are about none."""


@dataclass(slots=True)
class Tallies:
    """Counts that only grow."""

    events: Counter[EventKind] = field(default_factory=Counter)
    egress_sent_bytes: Counter[str] = field(default_factory=Counter)
    """By service; of connections that have ended."""
    egress_received_bytes: Counter[str] = field(default_factory=Counter)

    def count(self, facts: EventFacts, happening: DeploymentHappening) -> None:
        """Count an event."""
        self.events[EventKind(facts.type, facts.action, facts.service)] += 1
        if isinstance(happening, EgressEnded):
            self.egress_sent_bytes[happening.service] += happening.sent_bytes
            self.egress_received_bytes[happening.service] += happening.received_bytes
