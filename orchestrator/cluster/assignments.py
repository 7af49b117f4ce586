"""Who is where: the pods of a deployment and the nodes that they belong to, as both come and go.

Owns the books; decisions are `placement/`'s. A pod belongs to one node at a time, whether it runs
or not. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.placement import (
    Demand,
    NodeOffer,
    NoRoomError,
    Placing,
    ServiceRules,
    place,
    with_measured,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.placement import Placement, Traffic
    from pod_node.spec import PodSpec


class Assignments:
    """The nodes of a deployment, and which pod belongs to which."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._offers: dict[str, NodeOffer] = {}
        self._placing = Placing()
        self._guests: dict[str, Demand] = {}
        """Pods that the plan does not have (any more), and that are somewhere all the same."""
        self._owners: dict[str, str] = {}
        self._obstacles: dict[str, str] = {}
        self.measured: Traffic = {}
        """Bytes that services have exchanged: where new places are chosen, nearness to those whom a
        pod talks to most counts as well as what is declared. No pod is moved for it."""

    @property
    def offers(self) -> tuple[NodeOffer, ...]:
        """The nodes, in the order of their coming."""
        return tuple(self._offers.values())

    @property
    def owners(self) -> Mapping[str, str]:
        """Each pod's node."""
        return self._owners

    def obstacle(self, pod: str) -> str:
        """Why a pod has no node."""
        return self._obstacles.get(pod, "there is no node")

    def pods_of(self, node: str) -> list[str]:
        """The pods that belong to a node."""
        return [pod for pod, owner in self._owners.items() if owner == node]

    def arrange(self, placing: Placing) -> None:
        """Have these pods; those that can stay, stay."""
        wanted = {demand.pod for demand in placing.demands}
        for demand in self._placing.demands:
            if demand.pod not in wanted and demand.pod in self._owners:
                self._guests[demand.pod] = demand
        self._guests = {pod: d for pod, d in self._guests.items() if pod not in wanted}
        self._placing = placing
        self._decide()

    def admit(self, spec: PodSpec) -> str | None:
        """Give a pod a node that the plan may not have, for a while; None if there is no room."""
        if spec.name not in self._owners:
            if all(demand.pod != spec.name for demand in self._placing.demands):
                self._guests[spec.name] = Demand(
                    pod=spec.name,
                    service=spec.service,
                    cpus=spec.limits.cpus or 0.0,
                    memory_bytes=0,
                )
            self._decide()
        return self._owners.get(spec.name)

    def adopt(self, pod: str, service: str, node: str) -> bool:
        """Take note of a pod that runs on a node already; whether it may."""
        owner = self._owners.setdefault(pod, node)
        if owner == node and all(demand.pod != pod for demand in self._placing.demands):
            self._guests.setdefault(pod, Demand(pod=pod, service=service))
        return owner == node

    def forget(self, pod: str) -> None:
        """Drop a pod that is gone for good."""
        self._guests.pop(pod, None)
        if all(demand.pod != pod for demand in self._placing.demands):
            self._owners.pop(pod, None)

    def join(self, offer: NodeOffer) -> list[str]:
        """Have one more node; pods that had none and now have one."""
        waiting = {demand.pod for demand in self._placing.demands} - self._owners.keys()
        self._offers[offer.name] = offer
        self._decide()
        return [
            demand.pod
            for demand in self._placing.demands
            if demand.pod in waiting and demand.pod in self._owners
        ]

    def leave(self, node: str) -> list[str]:
        """Have a node no more; its pods, which belong elsewhere now where there is room."""
        self._offers.pop(node, None)
        pods = self.pods_of(node)
        for pod in pods:
            del self._owners[pod]
        self._decide()
        return pods

    def change(
        self, node: str, *, cordoned: bool | None = None, draining: bool | None = None
    ) -> None:
        """Change what a node takes; what it has stays there for now."""
        offer = self._offers[node]
        self._offers[node] = replace(
            offer,
            cordoned=offer.cordoned if cordoned is None else cordoned,
            draining=offer.draining if draining is None else draining,
        )

    def has_room_elsewhere(self, pod: str) -> bool:
        """Whether a pod could be on another node."""
        others = {name: owner for name, owner in self._owners.items() if name != pod}
        return pod in self._place(others).nodes

    def move(self, pod: str) -> str | None:
        """Give one pod another node; None, and no change, if there is no room for it."""
        before = self._owners.pop(pod)
        self._decide(only=pod)
        if pod not in self._owners:
            self._owners[pod] = before
            return None
        return self._owners[pod]

    def _decide(self, only: str | None = None) -> None:
        """Give pods nodes that have none."""
        placement = self._place(self._owners)
        for pod, node in placement.nodes.items():
            # A node that is drained keeps its pods until each has been moved.
            if pod not in self._owners and only in (None, pod):
                self._owners[pod] = node
        self._obstacles = {
            lacking.demand.pod: str(NoRoomError(self._deployment, (lacking,)))
            for lacking in placement.unplaced
        }

    def _place(self, current: Mapping[str, str]) -> Placement:
        demands = [*self._placing.demands, *self._guests.values()]
        unruled = {d.service: ServiceRules() for d in demands}
        return place(
            demands,
            self._offers.values(),
            unruled | dict(self._placing.rules),
            with_measured(self._placing.traffic, self.measured),
            current=current,
        )
