"""Whether a pod may be on a node, and if not, why.

Owns the hard rules. Which of the nodes that are left is best is `place.py`'s business. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.placement.ledger import SLACK, label_value
from orchestrator.topology.placement_values import LABEL_PREFIX
from orchestrator.topology.units import format_cpus, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.placement.ledger import Account
    from orchestrator.placement.values import Demand, NodeOffer, ServiceRules
    from orchestrator.topology.placement_values import Constraint


def satisfies(offer: NodeOffer, constraint: Constraint) -> bool:
    """Whether a node is what a constraint asks for."""
    return (_attribute(offer, constraint.attribute) == constraint.value) is constraint.equal


def is_eligible(offer: NodeOffer, rules: ServiceRules) -> bool:
    """Whether a service's pods may be on a node at all, resources left aside."""
    return not offer.draining and all(satisfies(offer, each) for each in rules.constraints)


def may_take(account: Account, demand: Demand, rules: ServiceRules) -> bool:
    """Whether a node can take one more pod, of these rules."""
    replicas = account.replicas[demand.service]
    if rules.replicas_most is not None and replicas >= rules.replicas_most:
        return False
    return account.has_room(demand)


def obstacles(account: Account, demand: Demand, rules: ServiceRules) -> Iterator[str]:
    """Everything that keeps a pod from a node."""
    offer = account.offer
    if offer.draining:
        yield "it is being drained"
    elif offer.cordoned:
        yield "it is cordoned"
    for constraint in rules.constraints:
        if not satisfies(offer, constraint):
            found = _attribute(offer, constraint.attribute) or "not set"
            yield f"{constraint.attribute} is {found}, {constraint} is asked for"
    most = rules.replicas_most
    if most is not None and account.replicas[demand.service] >= most:
        yield f"it has {most} of {demand.service} already, and max_replicas_per_node is {most}"
    if account.pods >= offer.pods_most:
        yield f"it holds {offer.pods_most} pods at most, for their memory maps"
    if demand.cpus > account.cpus_free + SLACK:
        yield (
            f"{format_cpus(max(round(account.cpus_free, 3), 0.0))} of {format_cpus(offer.cpus)} "
            "cpus are free"
        )
    if demand.memory_bytes > account.memory_free:
        free = _readable(max(account.memory_free, 0))
        yield f"{free} of {_readable(offer.memory_bytes)} of memory is free"


def _attribute(offer: NodeOffer, attribute: str) -> str:
    if attribute.startswith(LABEL_PREFIX):
        return label_value(offer, attribute)
    return {
        "node.id": offer.name,
        "node.hostname": offer.hostname,
        "node.platform.os": offer.system,
        "node.platform.arch": offer.architecture,
    }[attribute]


def _readable(size: int) -> str:
    """A size in a unit that keeps it short."""
    return format_size(size >> 20 << 20) if size >= 1 << 20 else format_size(size)
