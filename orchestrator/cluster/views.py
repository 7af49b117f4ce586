"""Nodes as a person sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


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
    """That belong to it."""
    pods_most: int
    hostname: str
    cpus: float
    memory_bytes: int
    labels: Mapping[str, str]
    process_id: int
