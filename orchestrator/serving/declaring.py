"""The part of a deployment's gRPC face that says what is to run.

Owns the mapping of these calls to `Orchestrator`; each answers with a stream of progress.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import grpc

from orchestrator.codec import NodeLostError
from orchestrator.codec.progress import source_from_message, written_progress
from orchestrator.codec.times import US
from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.errors import TopologyRefusedError
from orchestrator.store.store import StoreError
from orchestrator.topology.members import UnknownMemberError
from orchestrator.views.deployment import ApplyOrder
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceServicer
from vnet.errors import InvalidMessageError, VnetError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from grpc import aio

    from orchestrator.orchestration.orchestrator import Orchestrator
    from orchestrator.views.progress import Progress

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

_STATUSES: Statuses = (
    (UnknownMemberError, grpc.StatusCode.NOT_FOUND),
    (InvalidMessageError, grpc.StatusCode.INVALID_ARGUMENT),
    (TopologyRefusedError, grpc.StatusCode.INVALID_ARGUMENT),
    (StoreError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (NodeLostError, grpc.StatusCode.UNAVAILABLE),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
    (VnetError, grpc.StatusCode.FAILED_PRECONDITION),
)


class DeclaringService(DeploymentServiceServicer):
    """Answers the calls of orchestrator.v1 that say what is to run."""

    _orchestrator: Orchestrator

    async def Apply(
        self,
        request: pb.ApplyRequest,
        context: aio.ServicerContext[pb.ApplyRequest, pb.ApplyResponse],
    ) -> AsyncIterator[pb.ApplyResponse]:
        """Take up a topology."""
        requests = self._orchestrator.requests
        async with _progress(
            context,
            lambda: requests.apply(
                source_from_message(request.source),
                ApplyOrder(
                    force_recreate=request.force_recreate,
                    services=tuple(request.services),
                    replicas=dict(request.replicas),
                ),
                dry_run=request.dry_run,
            ),
        ) as steps:
            async for step in steps:
                yield pb.ApplyResponse(progress=step)

    async def Scale(
        self,
        request: pb.ScaleRequest,
        context: aio.ServicerContext[pb.ScaleRequest, pb.ScaleResponse],
    ) -> AsyncIterator[pb.ScaleResponse]:
        """Change numbers of replicas."""
        requests = self._orchestrator.requests
        async with _progress(context, lambda: requests.scale(dict(request.replicas))) as steps:
            async for step in steps:
                yield pb.ScaleResponse(progress=step)

    async def RestartPods(
        self,
        request: pb.RestartPodsRequest,
        context: aio.ServicerContext[pb.RestartPodsRequest, pb.RestartPodsResponse],
    ) -> AsyncIterator[pb.RestartPodsResponse]:
        """End pods and start them again."""
        requests = self._orchestrator.requests
        async with _progress(
            context, lambda: requests.restart_pods(tuple(request.targets), _grace(request))
        ) as steps:
            async for step in steps:
                yield pb.RestartPodsResponse(progress=step)

    async def StopPods(
        self,
        request: pb.StopPodsRequest,
        context: aio.ServicerContext[pb.StopPodsRequest, pb.StopPodsResponse],
    ) -> AsyncIterator[pb.StopPodsResponse]:
        """End pods until somebody starts them."""
        requests = self._orchestrator.requests
        async with _progress(
            context, lambda: requests.stop_pods(tuple(request.targets), _grace(request))
        ) as steps:
            async for step in steps:
                yield pb.StopPodsResponse(progress=step)

    async def StartPods(
        self,
        request: pb.StartPodsRequest,
        context: aio.ServicerContext[pb.StartPodsRequest, pb.StartPodsResponse],
    ) -> AsyncIterator[pb.StartPodsResponse]:
        """Start pods that were stopped."""
        requests = self._orchestrator.requests
        async with _progress(context, lambda: requests.start_pods(tuple(request.targets))) as steps:
            async for step in steps:
                yield pb.StartPodsResponse(progress=step)

    async def Down(
        self,
        request: pb.DownRequest,
        context: aio.ServicerContext[pb.DownRequest, pb.DownResponse],
    ) -> AsyncIterator[pb.DownResponse]:
        """End everything."""
        async with _progress(
            context, lambda: self._orchestrator.take_down(_grace(request))
        ) as steps:
            async for step in steps:
                yield pb.DownResponse(progress=step)


def _grace(
    request: pb.RestartPodsRequest | pb.StopPodsRequest | pb.DownRequest,
) -> float | None:
    return request.grace_us / US if request.HasField("grace_us") else None


@asynccontextmanager
async def _progress(
    context: aio.ServicerContext[_Request, _Response],
    work: Callable[[], AsyncGenerator[Progress, None]],
) -> AsyncGenerator[AsyncIterator[pb.Progress], None]:
    """Do something, and give its steps as messages; what goes wrong is answered with its status."""
    async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
        yield messages


async def _messages(
    work: Callable[[], AsyncGenerator[Progress, None]],
) -> AsyncGenerator[pb.Progress, None]:
    async with aclosing(work()) as steps:
        async for step in steps:
            yield written_progress(step)
