"""What must hold between links and the services that they join.

Owns these rules. Pure. Looking names up is `inspection.py`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.topology.link_change import TRANSPARENT, change_from, contradictions
from orchestrator.topology.values import LinkDirection

if TYPE_CHECKING:
    from orchestrator.topology.inspection import Inspection
    from orchestrator.topology.problems import Path
    from orchestrator.topology.schema import ImpairmentsSection


def check_links(inspection: Inspection) -> None:
    """Report everything that does not hold about links, and about interfaces' own links."""
    for name, declared in inspection.topology.networks.items():
        if declared.link is not None:
            _check_parameters(inspection, declared.link, ("networks", name, "link"))
    seen: dict[tuple[str, str, str], Path] = {}
    for index, link in enumerate(inspection.topology.links):
        path: Path = ("links", index)
        _check_parameters(inspection, link, path)
        ends = inspection.ends((*path, "endpoints"), link.endpoints)
        network = ends and inspection.common_network(path, "endpoints", ends, link.network)
        if ends is None or network is None:
            continue
        first, second = map(str, ends)
        ways = {
            LinkDirection.FORWARD: [(first, second, network)],
            LinkDirection.BACKWARD: [(second, first, network)],
            LinkDirection.BOTH: [(first, second, network), (second, first, network)],
        }
        others = {seen.setdefault(way, path) for way in ways[link.direction]} - {path}
        for other in others:
            place = inspection.place(other)
            message = f"{place} is a link between these two already; make the two one"
            inspection.report((*path, "endpoints"), message)


def _check_parameters(inspection: Inspection, section: ImpairmentsSection, path: Path) -> None:
    if any(inspection.is_damaged(*path, key) for key in ("delay", "jitter", "loss", "gemodel")):
        return
    change = change_from(section)
    for key, message in contradictions(change, change.applied_to(TRANSPARENT)):
        inspection.report((*path, key), message)
