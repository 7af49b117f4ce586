"""A plan as a launch takes it, and all that belongs to it: values only. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.desired.declaration import PortalMemory
    from orchestrator.desired.reconcile import Desired
    from orchestrator.topology.values import UpdatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A plan, and all that belongs to it."""

    desired: Desired
    revision: int
    policies: Mapping[str, UpdatePolicy]
    surges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    standing: Mapping[str, str] = field(default_factory=dict)
    portals: PortalMemory
    grace_s: float | None = None
    lenient: bool = False
    """Whether a portal that cannot be opened is only remarked upon: nobody waits for the plan."""
