"""The part of a deployment's gRPC face that copies files into and out of pods.

Owns the mapping of these calls, and which pod is meant by a service's name.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc

from orchestrator.codec import NodeLostError
from orchestrator.errors import OrchestratorError
from orchestrator.topology.members import UnknownMemberError
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceServicer
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from orchestrator.orchestration.control import Control

_STATUSES: Statuses = (
    (UnknownMemberError, grpc.StatusCode.NOT_FOUND),
    (InvalidMessageError, grpc.StatusCode.INVALID_ARGUMENT),
    (NodeLostError, grpc.StatusCode.UNAVAILABLE),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
)


class CopyingService(DeploymentServiceServicer):
    """Answers the calls of orchestrator.v1 about files."""

    @property
    def _control(self) -> Control:
        """Knows the pods."""
        raise NotImplementedError

    async def CopyOut(
        self,
        request: pb.CopyOutRequest,
        context: aio.ServicerContext[pb.CopyOutRequest, pb.CopyOutResponse],
    ) -> AsyncIterator[pb.CopyOutResponse]:
        """Give files."""
        async with answering(context, _STATUSES):
            pod = self._control.one_pod(request.name)
            pieces = self._control.client.copy_out(pod, request.path, follow=request.follow)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield pb.CopyOutResponse(chunk=piece)

    async def CopyIn(
        self,
        request_iterator: AsyncIterator[pb.CopyInRequest],
        context: aio.ServicerContext[pb.CopyInRequest, pb.CopyInResponse],
    ) -> pb.CopyInResponse:
        """Take files."""
        async with answering(context, _STATUSES):
            first = await anext(request_iterator, pb.CopyInRequest())
            if not first.HasField("target"):
                raise InvalidMessageError("target", "the first message says where to")
            target = first.target
            pod = self._control.one_pod(target.name)
            pieces = _chunks(request_iterator)
            copied = await self._control.client.copy_in(
                pod, target.path, pieces, strip=target.strip
            )
        return pb.CopyInResponse(files=copied.files, bytes=copied.bytes)

    async def RemoveFiles(
        self,
        request: pb.RemoveFilesRequest,
        context: aio.ServicerContext[pb.RemoveFilesRequest, pb.RemoveFilesResponse],
    ) -> pb.RemoveFilesResponse:
        """Remove files."""
        async with answering(context, _STATUSES):
            pod = self._control.one_pod(request.name)
            await self._control.client.remove_files(pod, request.paths)
        return pb.RemoveFilesResponse()


async def _chunks(messages: AsyncIterator[pb.CopyInRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message.chunk
