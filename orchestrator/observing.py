"""The part of a running deployment's gRPC face that only looks: logs and events.

Owns the mapping of these calls; `service.py` has the others, and the server.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc

from orchestrator.codec import NodeLostError
from orchestrator.codec.deployment import event_to_message
from orchestrator.codec.watching import (
    event_order_from_message,
    log_chunk_to_message,
    log_order_from_message,
)
from orchestrator.errors import OrchestratorError
from orchestrator.reading import read_logs, standing
from orchestrator.topology.members import UnknownMemberError
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from orchestrator.control import Control

_STATUSES: Statuses = (
    (UnknownMemberError, grpc.StatusCode.NOT_FOUND),
    (NodeLostError, grpc.StatusCode.UNAVAILABLE),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
)


class ObservingService(DeploymentServiceServicer):
    """Answers the calls of orchestrator.v1 that change nothing and go on for long."""

    _control: Control

    async def Logs(
        self,
        request: pb.LogsRequest,
        context: aio.ServicerContext[pb.LogsRequest, pb.LogsResponse],
    ) -> AsyncIterator[pb.LogsResponse]:
        """Read logs."""
        order = log_order_from_message(request)
        async with (
            answering(context, _STATUSES),
            aclosing(read_logs(self._control, order)) as chunks,
        ):
            async for lines, lost in chunks:
                yield log_chunk_to_message(lines, lost)

    async def Events(
        self,
        request: pb.EventsRequest,
        context: aio.ServicerContext[pb.EventsRequest, pb.EventsResponse],
    ) -> AsyncIterator[pb.EventsResponse]:
        """Report what happens."""
        order = event_order_from_message(request)
        events = self._control.events.listen(order, lambda: standing(self._control))
        async with aclosing(events):
            async for event in events:
                yield event_to_message(event)
