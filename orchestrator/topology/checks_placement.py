"""What must hold of the services that others want to be near to.

Owns this rule. Pure. Looking names up is `inspection.py`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.topology.problems import quoted

if TYPE_CHECKING:
    from orchestrator.topology.inspection import Inspection
    from orchestrator.topology.problems import Path


def check_placement(inspection: Inspection) -> None:
    """Report everything that does not hold about placement."""
    for service, section in inspection.topology.services.items():
        for other in section.deploy.placement.near:
            path: Path = ("services", service, "deploy", "placement", "near", other)
            if inspection.service(path, other) and other == service:
                message = (
                    f"{quoted(service)} is to be near itself; replicas are spread, or packed with "
                    '"strategy: pack"'
                )
                inspection.report(path, message, at_key=True)
