"""What a whole topology file holds.

Owns the outermost model. Relations between parts of a file (a network that nobody declares, a cycle
of dependencies) are the business of `checks.py` and its neighbours.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from orchestrator.topology import vocabulary
from orchestrator.topology.fields import Label, Seed
from orchestrator.topology.schema.network import LinkSection, NetworkSection
from orchestrator.topology.schema.policy import EgressSection, PolicySection
from orchestrator.topology.schema.schedule import ScheduleEntry
from orchestrator.topology.schema.section import Section
from orchestrator.topology.schema.service import DEFAULT_NETWORK, ServiceSection
from orchestrator.topology.schema.storage import VolumeSection


class Topology(Section):
    """A whole file."""

    not_yet = vocabulary.TOPOLOGY

    name: Label
    seed: Seed = 0
    """Of every random decision that the network makes."""
    services: Annotated[dict[str, ServiceSection], Field(min_length=1)]
    networks: dict[
        str,
        Annotated[
            NetworkSection,
            BeforeValidator(lambda value: value, json_schema_input_type=NetworkSection | None),
        ],
    ] = Field(default_factory=dict)
    volumes: dict[
        str,
        Annotated[
            VolumeSection,
            BeforeValidator(lambda value: value, json_schema_input_type=VolumeSection | None),
        ],
    ] = Field(default_factory=dict)
    links: tuple[LinkSection, ...] = ()
    policies: tuple[PolicySection, ...] = ()
    egress: tuple[EgressSection, ...] = ()
    schedule: tuple[ScheduleEntry, ...] = ()

    @property
    def network_names(self) -> tuple[str, ...]:
        """The networks that exist: those declared, and the default one where it is used."""
        names = dict.fromkeys(self.networks)
        if any(DEFAULT_NETWORK in service.attached for service in self.services.values()):
            names.setdefault(DEFAULT_NETWORK)
        return tuple(names)
