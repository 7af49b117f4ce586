"""The part of the node's gRPC face that copies files into and out of pods.

Owns the mapping of these calls; `service.py` has the others.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from pod_node.files import copy_in, copy_out, remove_paths
from protos.node.v1 import node_pb2 as pb
from protos.node.v1.node_pb2_grpc import PodNodeServiceServicer
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from pod_node.node import Node


class CopyService(PodNodeServiceServicer):
    """Answers the calls of node.v1 about files."""

    _node: Node

    async def CopyOut(
        self,
        request: pb.CopyOutRequest,
        context: aio.ServicerContext[pb.CopyOutRequest, pb.CopyOutResponse],
    ) -> AsyncIterator[pb.CopyOutResponse]:
        """Give files."""
        tree, _ = self._node.files(request.pod)
        pieces = copy_out(tree, request.path, follow=request.follow)
        async with aclosing(pieces):
            async for piece in pieces:
                yield pb.CopyOutResponse(chunk=piece)

    async def CopyIn(
        self,
        request_iterator: AsyncIterator[pb.CopyInRequest],
        context: aio.ServicerContext[pb.CopyInRequest, pb.CopyInResponse],
    ) -> pb.CopyInResponse:
        """Take files."""
        first = await anext(request_iterator, pb.CopyInRequest())
        if not first.HasField("target"):
            raise InvalidMessageError("target", "the first message says where to")
        target = first.target
        tree, book = self._node.files(target.pod)
        pieces = _chunks(request_iterator)
        copied = await copy_in(tree, book, pieces, target.path, strip=target.strip)
        return pb.CopyInResponse(files=copied.files, bytes=copied.bytes)

    async def RemoveFiles(
        self,
        request: pb.RemoveFilesRequest,
        context: aio.ServicerContext[pb.RemoveFilesRequest, pb.RemoveFilesResponse],
    ) -> pb.RemoveFilesResponse:
        """Remove files."""
        tree, book = self._node.files(request.pod)
        await remove_paths(tree, book, request.paths)
        return pb.RemoveFilesResponse()


async def _chunks(messages: AsyncIterator[pb.CopyInRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message.chunk
