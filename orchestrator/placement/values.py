"""What placement is about: nodes and what they offer, pods and what they ask for, the decision.

Owns these values. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from orchestrator.topology.placement_values import Constraint, Strategy

POD_MAPS = 12
"""Memory maps that a pod takes of its node process at most; 9 were measured with CPython."""
NODE_MAPS = 4_000
"""Memory maps that a node process has of its own, with room to spare; 430 were measured."""
MAPS_DEFAULT = 65_530
"""Memory maps that Linux allows a process (`vm.max_map_count`), unless told otherwise."""


def pods_most(map_count: int = MAPS_DEFAULT) -> int:
    """How many pods one node process can hold."""
    return max((map_count - NODE_MAPS) // POD_MAPS, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOffer:
    """A node and what it has for pods."""

    name: str
    """Unique in the deployment."""
    hostname: str = ""
    cpus: float
    memory_bytes: int
    pods_most: int = pods_most()
    labels: Mapping[str, str] = field(default_factory=dict)
    system: str = "linux"
    architecture: str = "x86_64"
    cordoned: bool = False
    """Whether it takes no pods that are not there yet."""
    draining: bool = False
    """Whether it is to have no pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A pod and what it asks for."""

    pod: str
    service: str
    cpus: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """What a service says about where its pods may be."""

    constraints: tuple[Constraint, ...] = ()
    spread_over: tuple[str, ...] = ()
    """Labels over whose values its replicas are spread, the most important one first."""
    replicas_most: int | None = None
    """Replicas on one node at most."""
    strategy: Strategy = Strategy.SPREAD


Traffic: TypeAlias = Mapping[tuple[str, str], float]
"""How much two services have to do with each other; each pair once, in the order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """All that placement has to know of a topology."""

    demands: tuple[Demand, ...] = ()
    rules: Mapping[str, ServiceRules] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=dict)


class Reason(Enum):
    """Why a pod is where it is."""

    STAYS = "stays where it is"
    ONLY = "the only node that it may be on"
    NEAR = "near the pods that it talks to"
    SPREAD = "few replicas of its service there"
    PACKED = "the fullest node with room"
    FREE = "the most room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A pod that has a node."""

    pod: str
    service: str
    node: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a pod cannot be on a node."""

    node: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A pod that has no node."""

    demand: Demand
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where every pod goes."""

    placed: tuple[Placed, ...] = ()
    """In the order of the demands."""
    unplaced: tuple[Unplaced, ...] = ()

    @property
    def nodes(self) -> dict[str, str]:
        """Each pod's node."""
        return {pod.pod: pod.node for pod in self.placed}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficEdge:
    """How much two services have to do with each other, and how that is known."""

    services: tuple[str, str]
    declared: float = 0.0
    """By dependencies, links and `near`."""
    measured: float = 0.0
    """By what they have exchanged, in the same unit."""
    measured_bytes: int = 0
    """What that was; the more recent counts more."""

    @property
    def weight(self) -> float:
        """Both together."""
        return self.declared + self.measured


@dataclass(frozen=True, slots=True, kw_only=True)
class CutEdge:
    """Traffic between two services that has to pass from one node to another."""

    services: tuple[str, str]
    nodes: tuple[str, str]
    """In the order of their names."""
    weight: float
