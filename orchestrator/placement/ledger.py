"""What is on each node so far, and what is left.

Owns the books of one decision: they are changed in place while pods are placed. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.topology.placement_values import LABEL_PREFIX

if TYPE_CHECKING:
    from orchestrator.placement.values import Demand, NodeOffer

SLACK = 1e-9
"""Shares of processors are added up as floats."""


@dataclass(slots=True)
class Account:
    """One node's books."""

    offer: NodeOffer
    order: int
    """Place among the nodes by name: the last word between equals."""
    cpus: float = 0.0
    memory_bytes: int = 0
    pods: int = 0
    size: float = 0.0
    """What is on it, as a share of all pods."""
    replicas: Counter[str] = field(default_factory=Counter)
    """By service."""

    @property
    def cpus_free(self) -> float:
        """Processors that nobody has asked for."""
        return self.offer.cpus - self.cpus

    @property
    def memory_free(self) -> int:
        """Memory that nobody has asked for."""
        return self.offer.memory_bytes - self.memory_bytes

    def has_room(self, demand: Demand) -> bool:
        """Whether the resources for a pod are there."""
        return (
            demand.cpus <= self.cpus_free + SLACK
            and demand.memory_bytes <= self.memory_free
            and self.pods < self.offer.pods_most
        )


class Ledger:
    """All nodes' books."""

    def __init__(self, offers: list[NodeOffer], demands: tuple[Demand, ...]) -> None:
        ordered = sorted(offers, key=lambda offer: offer.name)
        self.accounts = {offer.name: Account(offer, order) for order, offer in enumerate(ordered)}
        self._cpus = sum(demand.cpus for demand in demands)
        self._memory = sum(demand.memory_bytes for demand in demands)
        self._pods = len(demands)
        self._shares = _shares(ordered)
        self._by_label: dict[tuple[str, str], Counter[str]] = {}

    def size(self, demand: Demand) -> float:
        """How much of the whole work a pod is."""
        cpus = demand.cpus / self._cpus if self._cpus else 0.0
        memory = demand.memory_bytes / self._memory if self._memory else 0.0
        return (cpus + memory + 1 / self._pods) / 3

    def load(self, account: Account) -> float:
        """How full a node is; 1 is what would be fair."""
        share = self._shares[account.offer.name]
        return account.size / share if share else 0.0

    def load_with(self, account: Account, demand: Demand) -> float:
        """How full a node would be with one more pod."""
        share = self._shares[account.offer.name]
        return (account.size + self.size(demand)) / share if share else 0.0

    def in_domain(self, service: str, attribute: str, account: Account) -> int:
        """Replicas of a service on all nodes that share a node's value of a label."""
        value = label_value(account.offer, attribute)
        return self._by_label.get((attribute, value), Counter())[service]

    def add(self, account: Account, demand: Demand, spread_over: tuple[str, ...]) -> None:
        """Put a pod on a node."""
        self._change(account, demand, spread_over, 1)

    def remove(self, account: Account, demand: Demand, spread_over: tuple[str, ...]) -> None:
        """Take a pod off its node."""
        self._change(account, demand, spread_over, -1)

    def _change(
        self, account: Account, demand: Demand, spread_over: tuple[str, ...], sign: int
    ) -> None:
        account.cpus += sign * demand.cpus
        account.memory_bytes += sign * demand.memory_bytes
        account.pods += sign
        account.size += sign * self.size(demand)
        account.replicas[demand.service] += sign
        for attribute in spread_over:
            key = (attribute, label_value(account.offer, attribute))
            self._by_label.setdefault(key, Counter())[demand.service] += sign


def label_value(offer: NodeOffer, attribute: str) -> str:
    """A node's value of a label; nodes without it are alike, as Swarm has it."""
    return offer.labels.get(attribute.removeprefix(LABEL_PREFIX), "")


def _shares(offers: list[NodeOffer]) -> dict[str, float]:
    """Which part of the work each node should have; those that take none have none."""
    taking = [offer for offer in offers if not (offer.cordoned or offer.draining)]
    cpus = sum(offer.cpus for offer in taking) or 1.0
    memory = sum(offer.memory_bytes for offer in taking) or 1
    shares = dict.fromkeys((offer.name for offer in offers), 0.0)
    for offer in taking:
        shares[offer.name] = (offer.cpus / cpus + offer.memory_bytes / memory) / 2
    return shares
