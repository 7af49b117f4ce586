"""Nodes as a person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from orchestrator.placement.values import NodeOffer


class NodeState(Enum):
    """Whether a node takes pods."""

    READY = "ready"
    CORDONED = "cordoned"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node."""

    name: str
    state: NodeState
    pods: int
    offer: NodeOffer
    process_id: int
