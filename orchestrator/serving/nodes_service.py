"""The gRPC face of a deployment's nodes: messages in, messages out."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import grpc

from orchestrator.backends.backend import OneNodeError, UnknownNodeError
from orchestrator.codec.nodes import node_to_message
from orchestrator.errors import OrchestratorError
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import nodes_pb2 as pb
from protos.orchestrator.v1.nodes_pb2_grpc import (
    NodesServiceServicer,
    add_NodesServiceServicer_to_server,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from orchestrator.orchestration.orchestrator import Orchestrator

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context: TypeAlias = "aio.ServicerContext[_Request, _Response]"

_STATUSES: Statuses = (
    (UnknownNodeError, grpc.StatusCode.NOT_FOUND),
    (OneNodeError, grpc.StatusCode.FAILED_PRECONDITION),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
)


class NodesService(NodesServiceServicer):
    """Answers the calls of orchestrator.v1's NodesService."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    def join(self, server: aio.Server) -> None:
        """Be served too."""
        add_NodesServiceServicer_to_server(self, server)

    async def ListNodes(
        self,
        request: pb.ListNodesRequest,
        context: Context[pb.ListNodesRequest, pb.ListNodesResponse],
    ) -> pb.ListNodesResponse:
        """List the nodes."""
        return pb.ListNodesResponse(nodes=[node_to_message(n) for n in self._orchestrator.nodes()])

    async def CordonNode(
        self,
        request: pb.CordonNodeRequest,
        context: Context[pb.CordonNodeRequest, pb.CordonNodeResponse],
    ) -> pb.CordonNodeResponse:
        """Have a node take no more pods."""
        async with answering(context, _STATUSES):
            await self._orchestrator.cordon(request.name, cordoned=True)
        return pb.CordonNodeResponse()

    async def UncordonNode(
        self,
        request: pb.UncordonNodeRequest,
        context: Context[pb.UncordonNodeRequest, pb.UncordonNodeResponse],
    ) -> pb.UncordonNodeResponse:
        """Have a node take pods again."""
        async with answering(context, _STATUSES):
            await self._orchestrator.cordon(request.name, cordoned=False)
        return pb.UncordonNodeResponse()

    async def DrainNode(
        self,
        request: pb.DrainNodeRequest,
        context: Context[pb.DrainNodeRequest, pb.DrainNodeResponse],
    ) -> AsyncIterator[pb.DrainNodeResponse]:
        """Move a node's pods elsewhere."""
        async with (
            answering(context, _STATUSES),
            aclosing(self._orchestrator.drain(request.name)) as pods,
        ):
            async for pod, node in pods:
                yield pb.DrainNodeResponse(pod=pod, node=node)
