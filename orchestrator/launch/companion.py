"""Who else has a part in a deployment than the launch that starts its pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.backends.nodes import Nodes
    from orchestrator.launch.order import Order
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView
    from pod_node.status import OpenPortal
    from vnet.egress import EgressHappening


class Companion(Protocol):
    """Who else has a part in a deployment: its network, and those who control it as it runs."""

    def node_connected(self, client: Nodes | None) -> None:
        """There is a node, which has no network of ours yet; None when there is none any more."""

    async def planned(self, order: Order, *, without: Collection[str] = ()) -> None:
        """The node has the networks of a plan but for some, and not all of its pods yet."""

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        """These portals are open."""

    def pod_changed(self, view: PodView) -> None:
        """A pod changed."""

    def pod_removed(self, pod: str) -> None:
        """A pod is gone for good."""

    def rollout_changed(self, view: RolloutView) -> None:
        """A service's pods are being replaced."""

    def rollout_finished(self, service: str) -> None:
        """A service is up to date; what it borrowed can go."""

    def rollout_failed(self, service: str, reason: str) -> None:
        """The topology before is wanted."""

    def restarts_changed(self, pod: str, record: RestartRecord | None) -> None:
        """A pod's restarts are to be remembered."""

    def egress_happened(self, happening: EgressHappening) -> None:
        """A pod tried to reach something outside, or is done with it."""

    def trouble_told(self, text: str) -> None:
        """Pods have to do without something, such as their log on a full disk."""

    def node_lost(self, reason: str) -> None:
        """The node has ended by itself; there will be another one."""

    def pods_displaced(self, pods: Collection[str]) -> None:
        """Some pods went with one node of several, and are booted on others."""

    def progressed(self) -> None:
        """Something changed; the start may be over."""

    async def run_companion(self) -> None:
        """Do its own work as long as the deployment runs; cancelled at the end."""
