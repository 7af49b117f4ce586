"""The portals of a running deployment, and where they come from, as messages of orchestrator.v1."""

from __future__ import annotations

from orchestrator.views.deployment import PortalOrigin, PortalView
from pod_node.codec import portal_from_message, portal_to_message
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.errors import InvalidMessageError

_ORIGINS = {
    PortalOrigin.TOPOLOGY: pb.PORTAL_ORIGIN_TOPOLOGY,
    PortalOrigin.OPENED: pb.PORTAL_ORIGIN_OPENED,
}
_ORIGINS_READ = {number: origin for origin, number in _ORIGINS.items()}


def listed_portal_to_message(view: PortalView) -> pb.ListedPortal:
    """Write a portal."""
    return pb.ListedPortal(portal=portal_to_message(view.portal), origin=_ORIGINS[view.origin])


def listed_portal_from_message(message: pb.ListedPortal) -> PortalView:
    """Read a portal.

    Raises:
        InvalidMessageError: it makes no sense.
    """
    origin = _ORIGINS_READ.get(message.origin)
    if origin is None:
        raise InvalidMessageError("origin", "is none that a portal can have")
    return PortalView(portal_from_message(message.portal), origin)
