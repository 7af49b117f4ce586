"""What was measured of a deployment's traffic, kept for plans that are made while it does not run.

Owns one file in the deployment's folder, `traffic.json`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.placement.measured import MeasuredTraffic

if TYPE_CHECKING:
    from pathlib import Path

FILE = "traffic.json"


def read_traffic(folder: Path) -> MeasuredTraffic:
    """Read what was kept; nothing if nothing was, or nothing of use."""
    try:
        kept = json.loads((folder / FILE).read_bytes())
        pairs = {(str(a), str(b)): float(size) for a, b, size in kept["bytes"]}
        return MeasuredTraffic(bytes=pairs, read_at=float(kept["read_at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return MeasuredTraffic()


def keep_traffic(folder: Path, traffic: MeasuredTraffic) -> None:
    """Keep it, whole or not at all."""
    pairs = [(*pair, size) for pair, size in sorted(traffic.bytes.items())]
    draft = folder / f"{FILE}.new"
    draft.write_text(json.dumps({"read_at": traffic.read_at, "bytes": pairs}), encoding="utf-8")
    draft.replace(folder / FILE)
