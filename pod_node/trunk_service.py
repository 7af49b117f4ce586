"""How a node is joined with others, over gRPC: messages in, messages out.

Owns the mapping of calls to the node's trunk; what an error becomes is the server's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pod_node.codec.trunk import peers_from_message, settings_from_message, statuses_to_message
from pod_node.errors import NetworkNotAttachedError
from protos.node.v1 import trunk_pb2 as pb
from protos.node.v1.trunk_pb2_grpc import (
    TrunkServiceServicer,
    add_TrunkServiceServicer_to_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from grpc import aio

    from vnet.trunk import Trunk

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context: TypeAlias = "aio.ServicerContext[_Request, _Response]"


class NodeTrunkService(TrunkServiceServicer):
    """Answers the calls of node.v1's TrunkService."""

    def __init__(self, trunk: Trunk, networks: Callable[[], Container[str]]) -> None:
        """Answer for a node.

        Args:
            trunk: What joins it with others.
            networks: Tells those that are attached.
        """
        self._trunk = trunk
        self._networks = networks

    async def OpenTrunk(
        self,
        request: pb.OpenTrunkRequest,
        context: Context[pb.OpenTrunkRequest, pb.OpenTrunkResponse],
    ) -> pb.OpenTrunkResponse:
        """Listen for other nodes."""
        address = await self._trunk.open(settings_from_message(request))
        return pb.OpenTrunkResponse(address=address)

    async def SetPeers(
        self,
        request: pb.SetPeersRequest,
        context: Context[pb.SetPeersRequest, pb.SetPeersResponse],
    ) -> pb.SetPeersResponse:
        """Replace all other nodes."""
        peers = peers_from_message(request)
        for interface in (one for peer in peers for one in peer.interfaces):
            if interface.network not in self._networks():
                raise NetworkNotAttachedError(interface.network)
        self._trunk.set_peers(peers)
        return pb.SetPeersResponse()

    async def ListPeers(
        self,
        request: pb.ListPeersRequest,
        context: Context[pb.ListPeersRequest, pb.ListPeersResponse],
    ) -> pb.ListPeersResponse:
        """Say what is known of the other nodes."""
        return statuses_to_message(self._trunk.statuses)

    def join(self, server: aio.Server) -> None:
        """Be served, too."""
        add_TrunkServiceServicer_to_server(self, server)
