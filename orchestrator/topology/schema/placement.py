"""What a topology file says about the nodes that a service's pods go to.

Owns the models of `deploy.placement` and of `deploy.resources.reservations`. What constraints and
labels mean is the business of `placement_values.py`, the choice of nodes that of `placement/`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import (
    Ceiling,
    Cpus,
    Memory,
    NodeConstraint,
    Placing,
    SpreadLabel,
    Weight,
)
from orchestrator.topology.placement_values import Strategy
from orchestrator.topology.schema.section import Section


class ReservationsSection(Section):
    """What one pod is sure to find on its node."""

    not_yet = vocabulary.RESERVATIONS

    memory: Memory | None = None
    cpus: Cpus | None = None


class PreferenceEntry(Section):
    """What is better, where there is a choice of nodes."""

    spread: SpreadLabel
    """A label of nodes; replicas are spread evenly over its values."""


class PlacementSection(Section):
    """Which nodes a service's pods go to."""

    not_yet = vocabulary.PLACEMENT

    constraints: tuple[NodeConstraint, ...] = ()
    preferences: tuple[PreferenceEntry, ...] = ()
    """The most important one first."""
    max_replicas_per_node: Ceiling | None = None
    strategy: Placing = Strategy.SPREAD
    near: Annotated[
        dict[str, Weight],
        BeforeValidator(forms.near_from_list, json_schema_input_type=list[str] | dict[str, float]),
    ] = Field(default_factory=dict)
    """Services to be near to, each with how much the two talk."""
