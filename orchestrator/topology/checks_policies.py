"""What must hold between policies, egress rules and the services that they protect.

Owns these rules. Pure. Looking names up is `inspection.py`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.topology.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.topology.inspection import Inspection
    from orchestrator.topology.problems import Path
    from orchestrator.topology.schema import EgressRule, IngressRule


def check_policies(inspection: Inspection) -> None:
    """Report everything that does not hold about policies."""
    for index, policy in enumerate(inspection.topology.policies):
        path: Path = ("policies", index)
        if policy.service is not None:
            inspection.service((*path, "service"), policy.service)
        if policy.network is not None:
            inspection.network((*path, "network"), policy.network)
        _check_rules(inspection, (*path, "ingress"), "from", policy.ingress or ())
        _check_rules(inspection, (*path, "egress"), "to", policy.egress or ())


def check_egress(inspection: Inspection) -> None:
    """Report everything that does not hold about what may leave."""
    seen: dict[str, Path] = {}
    for index, egress in enumerate(inspection.topology.egress):
        path: Path = ("egress", index)
        inspection.service((*path, "service"), egress.service)
        first = seen.setdefault(egress.service, path)
        if first is not path:
            place = inspection.place(first)
            message = f"{place} is about {quoted(egress.service)} already; make the two one"
            inspection.report((*path, "service"), message)


def _check_rules(
    inspection: Inspection, path: Path, key: str, rules: Sequence[IngressRule | EgressRule]
) -> None:
    for number, rule in enumerate(rules):
        for index, peer in enumerate(rule.peers):
            place: Path = (*path, number, key, index)
            if peer.service is not None:
                inspection.service(place, peer.service)
            if peer.network is not None:
                inspection.network((*place, "network"), peer.network)
