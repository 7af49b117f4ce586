"""What a topology file says about who may talk to whom.

Owns the models of policies, in NetworkPolicy's words, and of what may leave for real networks.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import Block, Count, Egress, PolicyPorts, Size
from orchestrator.topology.schema.section import Section
from vnet.configuration import Denial


class PeerEntry(Section):
    """Whom a rule allows: a service, all of a network, or a block of addresses."""

    service: str | None = None
    network: str | None = None
    cidr: Block | None = None
    excepted: tuple[Block, ...] = Field(default=(), alias="except")

    @model_validator(mode="after")
    def _is_one_of_three(self) -> PeerEntry:
        given = [self.service is not None, self.network is not None, self.cidr is not None]
        if sum(given) != 1:
            raise ValueError(
                'expected one of: a service\'s name, "{network: NAME}" and "{cidr: 10.0.0.0/8}"'
            )
        if self.excepted and self.cidr is None:
            raise ValueError('"except" makes holes in a "cidr" only')
        for hole in self.excepted:
            if self.cidr is not None and not hole.subnet_of(self.cidr):
                raise ValueError(f"the exception {hole} does not lie in {self.cidr}")
        return self


_Peers = tuple[
    Annotated[
        PeerEntry,
        BeforeValidator(forms.peer_from_name, json_schema_input_type=str | PeerEntry),
    ],
    ...,
]


class IngressRule(Section):
    """Allows connections from any of the peers to any of the ports."""

    not_yet = vocabulary.INGRESS_RULE

    peers: _Peers = Field(default=(), alias="from")
    """Empty for everybody."""
    ports: tuple[PolicyPorts, ...] = ()
    """Empty for all."""


class EgressRule(Section):
    """Allows connections to any of the peers on any of the ports."""

    not_yet = vocabulary.EGRESS_RULE

    peers: _Peers = Field(default=(), alias="to")
    """Empty for everybody."""
    ports: tuple[PolicyPorts, ...] = ()
    """Empty for all."""


class PolicySection(Section):
    """Isolates a service, or all services on a network, but for what its rules allow."""

    not_yet = vocabulary.POLICY

    service: str | None = None
    network: str | None = None
    ingress: tuple[IngressRule, ...] | None = None
    """Empty allows nothing; None leaves the direction alone."""
    egress: tuple[EgressRule, ...] | None = None
    deny: Denial = Denial.REJECT

    @model_validator(mode="after")
    def _selects_and_rules(self) -> PolicySection:
        if (self.service is None) == (self.network is None):
            raise ValueError('expected one of "service" and "network": whom the policy protects')
        if self.ingress is None and self.egress is None:
            raise ValueError(
                'expected "ingress", "egress" or both; "ingress: []" allows nothing to come in'
            )
        return self


class EgressLimitsSection(Section):
    """What all pods of a service together may use of real networks."""

    connections: Count | None = None
    """At once."""
    bytes: Size | None = None
    """Both ways together."""


class EgressSection(Section):
    """Where outside the pods of a service may connect to."""

    service: str
    allow: tuple[Egress, ...]
    limits: EgressLimitsSection = EgressLimitsSection()
