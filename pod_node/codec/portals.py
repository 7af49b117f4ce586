"""Portals as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.status import OpenPortal, PortalBackend
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields

if TYPE_CHECKING:
    from collections.abc import Iterable


def portal_to_message(portal: OpenPortal) -> pb.Portal:
    """Write an open portal."""
    return pb.Portal(
        portal_id=portal.portal_id,
        service=portal.service,
        port=portal.port,
        host_port=portal.host_port,
        url=portal.url,
        backends=backends_to_message(portal.backends),
        label=portal.label,
        pinned=portal.pinned,
    )


def portal_from_message(message: pb.Portal) -> OpenPortal:
    """Read an open portal."""
    return OpenPortal(
        portal_id=message.portal_id,
        service=message.service,
        port=fields.port("port", message.port),
        host_port=fields.port("host_port", message.host_port),
        url=message.url,
        backends=backends_from_message(message.backends),
        label=message.label,
        pinned=message.pinned,
    )


def backends_to_message(backends: Iterable[PortalBackend]) -> list[pb.PortalBackend]:
    """Write the pods behind a portal."""
    return [pb.PortalBackend(pod=backend.pod, address=str(backend.address)) for backend in backends]


def backends_from_message(messages: Iterable[pb.PortalBackend]) -> tuple[PortalBackend, ...]:
    """Read the pods behind a portal."""
    return tuple(
        PortalBackend(message.pod, fields.address("backends.address", message.address))
        for message in messages
    )
