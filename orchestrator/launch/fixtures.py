"""What a node has beside pods: networks and portals.

Owns what there is of them now, and how a plan's come about. What passes over the networks is the
companion's business; which pods the portals lead to, `publishing.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec import NodeRefusedError
from orchestrator.desired.steps import AttachNetwork, ClosePortal, DetachNetwork, OpenPortal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.steps import Step
    from orchestrator.launch.order import Order
    from orchestrator.views.progress import Screen
    from pod_node.status import OpenPortal as OpenedPortal


class Fixtures:
    """The networks and portals of the node that there is, if any."""

    def __init__(self, screen: Screen) -> None:
        """Begin without any.

        Args:
            screen: Shows what a lenient order had to do without.
        """
        self._screen = screen
        self.networks: dict[str, IPv4Network] = {}
        self.portals: list[OpenedPortal] = []

    def clear(self) -> None:
        """Forget all: they went with their node."""
        self.networks.clear()
        self.portals.clear()

    async def learn(self, client: Nodes) -> None:
        """Ask a node what it has."""
        self.portals = await client.list_portals()
        self.networks = await client.list_networks()

    async def attach(self, client: Nodes, order: Order) -> None:
        """Have the networks of a plan."""
        networks = _wanted(order)
        await client.attach_networks(networks.items())
        self.networks |= networks

    def moving(self, order: Order) -> frozenset[str]:
        """Name the networks that a plan has otherwise, or not at all, or for the first time."""
        wanted = _wanted(order)
        names = {*wanted, *self.networks}
        return frozenset(name for name in names if wanted.get(name) != self.networks.get(name))

    async def exchange(self, client: Nodes, order: Order) -> None:
        """Exchange networks: first all that go, so that ranges can change hands.

        Preconditions: nothing is configured on those that go.
        """
        gone = [name for name in self.networks if name in self.moving(order)]
        await client.detach_networks(gone)
        for name in gone:
            del self.networks[name]
        await self.attach(client, order)

    async def open_portals(self, client: Nodes, order: Order, steps: Sequence[Step]) -> None:
        """Close and open portals as the steps to a plan say.

        Raises:
            NodeRefusedError: one cannot be opened, and the order does not put up with that.
        """
        for step in steps:
            if isinstance(step, ClosePortal):
                await client.close_portal(step.portal_id)
                self.portals = [p for p in self.portals if p.portal_id != step.portal_id]
        for step in steps:
            if isinstance(step, OpenPortal):
                try:
                    self.portals.append(await _open_portal(client, order, step))
                except NodeRefusedError as refused:
                    if not order.lenient:
                        raise
                    self._screen.show_notice(str(refused))


def moving_networks(steps: Sequence[Step]) -> frozenset[str]:
    """The networks that have to wait until nobody is on those that go."""
    if not any(isinstance(step, DetachNetwork) for step in steps):
        return frozenset()
    return frozenset(
        step.name if isinstance(step, DetachNetwork) else step.network.name
        for step in steps
        if isinstance(step, (DetachNetwork, AttachNetwork))
    )


def _wanted(order: Order) -> dict[str, IPv4Network]:
    return {network.name: network.subnet for network in order.desired.plan.networks}


async def _open_portal(client: Nodes, order: Order, step: OpenPortal) -> OpenedPortal:
    portal, memory = step.portal, order.portals
    return await client.open_portal(
        portal.service,
        portal.port,
        portal.host_port or 0,
        (),
        label=memory.labels.get((portal.service, portal.port), ""),
        shared_host_port=memory.shared_host_port,
    )
