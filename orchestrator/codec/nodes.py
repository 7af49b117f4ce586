"""The nodes of a running deployment, as messages and as a client.

Owns both directions of `nodes.proto`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cluster.views import NodeState, NodeView
from orchestrator.codec.calls import cancelled
from orchestrator.codec.client.connecting import ConnectedClient, errors
from protos.orchestrator.v1 import nodes_pb2 as pb
from protos.orchestrator.v1.nodes_pb2_grpc import NodesServiceStub
from vnet.codec import fields

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from orchestrator.serving.access import RemoteAddress

_STATES = {
    NodeState.READY: pb.NODE_STATE_READY,
    NodeState.CORDONED: pb.NODE_STATE_CORDONED,
    NodeState.DRAINED: pb.NODE_STATE_DRAINED,
}
_MILLIS = 1000


def node_to_message(view: NodeView) -> pb.DeploymentNode:
    """Write a node."""
    return pb.DeploymentNode(
        name=view.name,
        state=_STATES[view.state],
        pods=view.pods,
        max_pods=view.pods_most,
        hostname=view.hostname,
        cpu_millis=round(view.cpus * _MILLIS),
        memory_bytes=view.memory_bytes,
        labels=dict(view.labels),
        process_id=view.process_id,
    )


def node_from_message(message: pb.DeploymentNode) -> NodeView:
    """Read a node."""
    return NodeView(
        name=message.name,
        state=fields.named("state", _STATES, message.state),
        pods=message.pods,
        pods_most=message.max_pods,
        hostname=message.hostname,
        cpus=message.cpu_millis / _MILLIS,
        memory_bytes=message.memory_bytes,
        labels=dict(message.labels),
        process_id=message.process_id,
    )


class NodesClient(ConnectedClient):
    """One connection to a running deployment, for its nodes."""

    def __init__(self, where: Path | RemoteAddress) -> None:
        super().__init__(where)
        self._stub = NodesServiceStub(self._channel)

    async def list_nodes(self) -> list[NodeView]:
        """List the nodes."""
        with errors():
            response = await self._stub.ListNodes(pb.ListNodesRequest())
        return [node_from_message(node) for node in response.nodes]

    async def cordon(self, name: str) -> None:
        """Have a node take no more pods."""
        with errors():
            await self._stub.CordonNode(pb.CordonNodeRequest(name=name))

    async def uncordon(self, name: str) -> None:
        """Have a node take pods again."""
        with errors():
            await self._stub.UncordonNode(pb.UncordonNodeRequest(name=name))

    async def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Move a node's pods elsewhere; name each that has left, and its new node."""
        call = self._stub.DrainNode(pb.DrainNodeRequest(name=name))
        with errors(), cancelled(call):
            async for message in call:
                yield message.pod, message.node
