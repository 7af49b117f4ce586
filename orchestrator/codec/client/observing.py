"""What happens in a running deployment, and the portals to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.calls import cancelled
from orchestrator.codec.events import event_from_message
from orchestrator.codec.portals import listed_portal_from_message
from orchestrator.codec.watching import (
    event_order_to_message,
    log_chunk_from_message,
    log_order_to_message,
)
from orchestrator.views.deployment import EventOrder
from pod_node.codec import (
    portal_from_message,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
    )

    from orchestrator.views.deployment import (
        DeploymentEvent,
        LogOrder,
        PortalView,
    )
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal
from orchestrator.codec.client.connecting import errors
from orchestrator.codec.client.describing import DescribingClient


class ObservingClient(DescribingClient):
    """Reads logs and events, and has portals opened."""

    async def logs(self, order: LogOrder) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read what pods wrote; with lines comes how many were lost before them."""
        call = self._stub.Logs(log_order_to_message(order))
        with errors(), cancelled(call):
            async for message in call:
                yield log_chunk_from_message(message)

    async def events(
        self, order: EventOrder | None = None
    ) -> AsyncGenerator[DeploymentEvent, None]:
        """Report what happens; without an order, everything from now on."""
        call = self._stub.Events(event_order_to_message(order or EventOrder()))
        with errors(), cancelled(call):
            async for message in call:
                yield event_from_message(message)

    async def portals(self) -> list[PortalView]:
        """List the open portals."""
        with errors():
            response = await self._stub.ListPortals(pb.ListPortalsRequest())
        return [listed_portal_from_message(portal) for portal in response.portals]

    async def open_portal(self, service: str, port: int, host_port: int = 0) -> OpenPortal:
        """Open a portal; host port 0 shares the node's."""
        request = pb.OpenPortalRequest(service=service, port=port, host_port=host_port)
        with errors():
            return portal_from_message((await self._stub.OpenPortal(request)).portal)

    async def close_portals(self, service: str, port: int = 0) -> list[OpenPortal]:
        """Close the portals to a service's port, or with 0 all of the service's; say which."""
        request = pb.ClosePortalsRequest(service=service, port=port)
        with errors():
            response = await self._stub.ClosePortals(request)
        return [portal_from_message(portal) for portal in response.portals]
