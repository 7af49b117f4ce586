"""The part of a deployment's gRPC face that says what is to run.

Owns the mapping of these calls to `Orchestrator`; each answers with a stream of progress.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc

from orchestrator.codec import NodeLostError
from orchestrator.codec.progress import source_from_message, written_progress
from orchestrator.codec.times import US
from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.errors import TopologyRefusedError
from orchestrator.store import StoreError
from orchestrator.topology.members import UnknownMemberError
from orchestrator.views import ApplyOrder
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceServicer
from vnet.errors import InvalidMessageError, VnetError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from grpc import aio

    from orchestrator.orchestration.orchestrator import Orchestrator
    from orchestrator.progress import Progress

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

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.requests.apply(
                source_from_message(request.source),
                ApplyOrder(
                    force_recreate=request.force_recreate,
                    services=tuple(request.services),
                    replicas=dict(request.replicas),
                ),
                dry_run=request.dry_run,
            )

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.ApplyResponse(progress=message)

    async def Scale(
        self,
        request: pb.ScaleRequest,
        context: aio.ServicerContext[pb.ScaleRequest, pb.ScaleResponse],
    ) -> AsyncIterator[pb.ScaleResponse]:
        """Change numbers of replicas."""

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.requests.scale(dict(request.replicas))

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.ScaleResponse(progress=message)

    async def RestartPods(
        self,
        request: pb.RestartPodsRequest,
        context: aio.ServicerContext[pb.RestartPodsRequest, pb.RestartPodsResponse],
    ) -> AsyncIterator[pb.RestartPodsResponse]:
        """End pods and start them again."""

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.requests.restart_pods(tuple(request.targets), _grace(request))

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.RestartPodsResponse(progress=message)

    async def StopPods(
        self,
        request: pb.StopPodsRequest,
        context: aio.ServicerContext[pb.StopPodsRequest, pb.StopPodsResponse],
    ) -> AsyncIterator[pb.StopPodsResponse]:
        """End pods until somebody starts them."""

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.requests.stop_pods(tuple(request.targets), _grace(request))

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.StopPodsResponse(progress=message)

    async def StartPods(
        self,
        request: pb.StartPodsRequest,
        context: aio.ServicerContext[pb.StartPodsRequest, pb.StartPodsResponse],
    ) -> AsyncIterator[pb.StartPodsResponse]:
        """Start pods that were stopped."""

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.requests.start_pods(tuple(request.targets))

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.StartPodsResponse(progress=message)

    async def Down(
        self,
        request: pb.DownRequest,
        context: aio.ServicerContext[pb.DownRequest, pb.DownResponse],
    ) -> AsyncIterator[pb.DownResponse]:
        """End everything."""

        def work() -> AsyncGenerator[Progress, None]:
            return self._orchestrator.take_down(_grace(request))

        async with answering(context, _STATUSES), aclosing(_messages(work)) as messages:
            async for message in messages:
                yield pb.DownResponse(progress=message)


def _grace(
    request: pb.RestartPodsRequest | pb.StopPodsRequest | pb.DownRequest,
) -> float | None:
    return request.grace_us / US if request.HasField("grace_us") else None


async def _messages(
    work: Callable[[], AsyncGenerator[Progress, None]],
) -> AsyncGenerator[pb.Progress, None]:
    async with aclosing(work()) as steps:
        async for step in steps:
            yield written_progress(step)
