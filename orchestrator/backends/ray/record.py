"""What is remembered of a deployment's place on a Ray cluster, so that others find it again.

Owns one file in the deployment's folder, `cluster.json`: the cluster, and each machine's
supervisor.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError

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


class RecordDamagedError(OrchestratorError):
    """What was kept cannot be read, and nodes may run all the same."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be used ({self.reason}), and says where the deployment's nodes "
            f'are; when no machine of the cluster runs any of them, remove it: rm "{self.path}"'
        )


def read_record(folder: Path) -> ClusterRecord | None:
    """Read what was kept; None if nothing was.

    Raises:
        RecordDamagedError: something was, and is of no use: what it was about may still run.
    """
    path = folder / FILE
    try:
        return ClusterRecord(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RecordDamagedError(str(path), str(error)) from error


def keep_record(folder: Path, record: ClusterRecord) -> None:
    """Keep it, whole or not at all, also when the power goes."""
    draft = folder / f"{FILE}.new"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def forget_record(folder: Path) -> None:
    """Keep it no more."""
    (folder / FILE).unlink(missing_ok=True)
