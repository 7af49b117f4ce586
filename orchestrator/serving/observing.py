"""The part of a deployment's gRPC face for those who look in: logs, connections, programs, portals.

Owns the mapping of these calls; `service.py` has the others, and the server.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc

from orchestrator.codec import NodeLostError
from orchestrator.codec.events import event_to_message
from orchestrator.codec.portals import listed_portal_to_message
from orchestrator.codec.programs import (
    attach_order,
    attach_response,
    attach_steps_of,
    exec_order,
    exec_response,
    exec_steps_of,
)
from orchestrator.codec.watching import (
    dial_from_message,
    event_order_from_message,
    log_chunk_to_message,
    log_order_from_message,
    opened_to_message,
    payloads,
    received_to_message,
)
from orchestrator.errors import OrchestratorError
from orchestrator.serving.executing import attach_to, run_program
from orchestrator.serving.reading import dial, read_logs, standing
from orchestrator.topology.members import UnknownMemberError
from pod_node.codec import portal_to_message
from pod_node.dialling import BrokenConnectionError, carry
from pod_node.serving import Statuses, answering
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceServicer
from vnet.codec import fields
from vnet.errors import InvalidMessageError
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from orchestrator.orchestration.control import Control
    from orchestrator.orchestration.orchestrator import Orchestrator

_STATUSES: Statuses = (
    (UnknownMemberError, grpc.StatusCode.NOT_FOUND),
    (InvalidMessageError, grpc.StatusCode.INVALID_ARGUMENT),
    (BrokenConnectionError, grpc.StatusCode.ABORTED),
    (NodeLostError, grpc.StatusCode.UNAVAILABLE),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
)


class ObservingService(DeploymentServiceServicer):
    """Answers the calls of orchestrator.v1 that go on for long."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._dials = TaskOwner()
        self._turn = 0

    @property
    def _control(self) -> Control:
        """The network and single pods.

        Raises:
            NothingDeclaredError: there is nothing yet.
        """
        return self._orchestrator.control

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
        events = self._orchestrator.events.listen(order, lambda: standing(self._control))
        async with aclosing(events):
            async for event in events:
                yield event_to_message(event)

    async def Exec(
        self,
        request_iterator: AsyncIterator[pb.ExecRequest],
        context: aio.ServicerContext[pb.ExecRequest, pb.ExecResponse],
    ) -> AsyncIterator[pb.ExecResponse]:
        """Run a program in a pod."""
        async with answering(context, _STATUSES):
            first = await anext(request_iterator, pb.ExecRequest())
            order, index = exec_order(first)
            steps = exec_steps_of(request_iterator)
            async with aclosing(run_program(self._control, order, index, steps)) as events:
                async for pod, event in events:
                    yield exec_response(pod, event)

    async def Attach(
        self,
        request_iterator: AsyncIterator[pb.AttachRequest],
        context: aio.ServicerContext[pb.AttachRequest, pb.AttachResponse],
    ) -> AsyncIterator[pb.AttachResponse]:
        """Connect to a pod's main process."""
        async with answering(context, _STATUSES):
            first = await anext(request_iterator, pb.AttachRequest())
            target, index = attach_order(first)
            steps = attach_steps_of(request_iterator)
            async with aclosing(attach_to(self._control, target, index, steps)) as events:
                async for pod, event in events:
                    yield attach_response(pod, event)

    async def Dial(
        self,
        request_iterator: AsyncIterator[pb.DialRequest],
        context: aio.ServicerContext[pb.DialRequest, pb.DialResponse],
    ) -> AsyncIterator[pb.DialResponse]:
        """Connect to a pod."""
        async with answering(context, _STATUSES):
            first = await anext(request_iterator, pb.DialRequest())
            wanted = dial_from_message(first)
            self._turn += 1
            pod, connection = await dial(self._control, *wanted, self._turn)
            yield opened_to_message(pod.spec.name, pod.spec.interfaces[0].address)
            sent = payloads(request_iterator)
            async with aclosing(carry(connection, sent, self._dials)) as received:
                async for data in received:
                    yield received_to_message(data)

    async def ListPortals(
        self,
        request: pb.ListPortalsRequest,
        context: aio.ServicerContext[pb.ListPortalsRequest, pb.ListPortalsResponse],
    ) -> pb.ListPortalsResponse:
        """List the open portals."""
        async with answering(context, _STATUSES):
            views = await self._orchestrator.listed_portals()
        return pb.ListPortalsResponse(portals=[listed_portal_to_message(view) for view in views])

    async def OpenPortal(
        self,
        request: pb.OpenPortalRequest,
        context: aio.ServicerContext[pb.OpenPortalRequest, pb.OpenPortalResponse],
    ) -> pb.OpenPortalResponse:
        """Open a portal."""
        async with answering(context, _STATUSES):
            portal = await self._orchestrator.requests.open_portal(
                request.service,
                fields.port("port", request.port),
                fields.port("host_port", request.host_port, least=0),
            )
        return pb.OpenPortalResponse(portal=portal_to_message(portal))

    async def ClosePortals(
        self,
        request: pb.ClosePortalsRequest,
        context: aio.ServicerContext[pb.ClosePortalsRequest, pb.ClosePortalsResponse],
    ) -> pb.ClosePortalsResponse:
        """Close portals."""
        async with answering(context, _STATUSES):
            port = fields.port("port", request.port, least=0)
            closed = await self._orchestrator.requests.close_portals(request.service, port)
        return pb.ClosePortalsResponse(portals=[portal_to_message(portal) for portal in closed])
