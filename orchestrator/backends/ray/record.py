"""What is remembered of a deployment's place on a Ray cluster, so that others find it again.

Owns one file in the deployment's folder, `cluster.json`: the cluster, and each machine's
supervisor.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "cluster.json"


@dataclass(slots=True)
class ClusterRecord:
    """Where the nodes of a deployment are."""

    address: str
    """Of the cluster."""
    lease_s: float
    nodes: dict[str, str] = field(default_factory=dict)
    """The key of the node's present life, by the id of its machine."""
    keeper: str = ""
    """Which keeper they get their leases from."""


def read_record(folder: Path) -> ClusterRecord | None:
    """Read what was kept; None if nothing was, or nothing of use."""
    try:
        record = ClusterRecord(**json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return record


def keep_record(folder: Path, record: ClusterRecord) -> None:
    """Keep it, whole or not at all."""
    draft = folder / f"{FILE}.new"
    draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
    draft.replace(folder / FILE)


def forget_record(folder: Path) -> None:
    """Keep it no more."""
    (folder / FILE).unlink(missing_ok=True)
