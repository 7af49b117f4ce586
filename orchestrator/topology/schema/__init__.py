"""The schema of a topology file: which keys there are and what each may hold.

Owns the models that a file is validated into, one module for each part of the file. They hold the
long form of everything; short forms are turned by `forms.py`, values read by `fields.py`. Relations
between parts of a file are the business of `checks.py` and its neighbours.

Models accept text where a file has a scalar, because the reader keeps scalars as text; they write
themselves back (`model_dump(mode="json")`) in a form that they accept.
"""

from orchestrator.topology.schema.network import (
    GilbertElliottSection,
    ImpairmentsSection,
    LinkSection,
    NetworkSection,
)
from orchestrator.topology.schema.policy import (
    EgressRule,
    EgressSection,
    IngressRule,
    PeerEntry,
    PolicySection,
)
from orchestrator.topology.schema.schedule import ALL, ScheduleEntry
from orchestrator.topology.schema.section import Section
from orchestrator.topology.schema.service import (
    DEFAULT_NETWORK,
    EnvFileEntry,
    HealthcheckSection,
    LimitsSection,
    RollbackSection,
    ServiceSection,
    UpdateSection,
)
from orchestrator.topology.schema.storage import TmpfsOptions, VolumeEntry, VolumeKind
from orchestrator.topology.schema.topology import Topology

__all__ = [
    "ALL",
    "DEFAULT_NETWORK",
    "EgressRule",
    "EgressSection",
    "EnvFileEntry",
    "GilbertElliottSection",
    "HealthcheckSection",
    "ImpairmentsSection",
    "IngressRule",
    "LimitsSection",
    "LinkSection",
    "NetworkSection",
    "PeerEntry",
    "PolicySection",
    "RollbackSection",
    "ScheduleEntry",
    "Section",
    "ServiceSection",
    "TmpfsOptions",
    "Topology",
    "UpdateSection",
    "VolumeEntry",
    "VolumeKind",
]
