"""A machine of a Ray cluster as a node: its name, and what it offers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.placement.values import NodeOffer

if TYPE_CHECKING:
    from orchestrator.backends.ray.actors import Machine

NAME_LABEL = "podnet-node"
"""The label of a machine that names its node."""
_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")


def node_name(machine: Machine) -> str:
    """A name for a machine's node that is a DNS label, and another for each."""
    wished = _NOT_IN_LABEL.sub("-", machine.labels.get(NAME_LABEL, "").lower()).strip("-")
    if wished:
        return wished
    host = _NOT_IN_LABEL.sub("-", machine.hostname.lower()).strip("-")[:40] or "node"
    return f"{host}-{machine.id[-6:]}"


def offer_of(machine: Machine) -> NodeOffer:
    """What a machine offers, as far as Ray knows."""
    return NodeOffer(
        name=node_name(machine),
        hostname=machine.hostname,
        cpus=machine.cpus,
        memory_bytes=machine.memory_bytes,
        labels={key: text for key, text in machine.labels.items() if key != NAME_LABEL},
    )
