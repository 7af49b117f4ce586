"""A running deployment's gRPC face: messages in, messages out.

Owns the mapping of calls to `Control` and of its errors to statuses, and the control socket;
nothing is decided here. A text that goes out with a status is fit to be shown to a person.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import grpc
from grpc import aio

from orchestrator.codec import NodeLostError
from orchestrator.codec.changes import (
    mend_from_message,
    part_from_message,
    reset_from_message,
    set_link_from_message,
)
from orchestrator.codec.deployment import (
    deployment_to_message,
    fault_to_message,
    link_to_message,
)
from orchestrator.codec.looking import batch_to_message, order_from_message, ping_step_to_message
from orchestrator.codec.times import duration_from_us
from orchestrator.codec.watching import statistics_to_message as statistics_message
from orchestrator.errors import OrchestratorError
from orchestrator.network.changes import PodVerb
from orchestrator.network.impairments import ImpairmentError
from orchestrator.serving.access import AccessError, join_host
from orchestrator.serving.copying import CopyingService
from orchestrator.serving.declaring import DeclaringService
from orchestrator.serving.nodes_service import NodesService
from orchestrator.serving.observing import ObservingService
from orchestrator.serving.reading import with_times
from orchestrator.serving.remote import serve_remote
from orchestrator.topology.link_change import LinkChangeError
from orchestrator.topology.members import UnknownMemberError
from orchestrator.views.deployment import Remarked
from pod_node.codec import plan_from_message
from pod_node.serving import Statuses, answering, bind_private
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import (
    add_DeploymentServiceServicer_to_server,
)
from vnet.codec import statistics_to_message
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from orchestrator.network.changes import Part
    from orchestrator.orchestration.orchestrator import Orchestrator
    from orchestrator.serving.access import ListenAddress
    from orchestrator.views.deployment import FaultView

LAST_ANSWERS_S = 0.5
"""How long answers that are under way may take when a deployment ends."""
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context: TypeAlias = aio.ServicerContext[_Request, _Response]

_STATUSES: Statuses = (
    (UnknownMemberError, grpc.StatusCode.NOT_FOUND),
    (ImpairmentError, grpc.StatusCode.INVALID_ARGUMENT),
    (LinkChangeError, grpc.StatusCode.INVALID_ARGUMENT),
    (InvalidMessageError, grpc.StatusCode.INVALID_ARGUMENT),
    (NodeLostError, grpc.StatusCode.UNAVAILABLE),
    (OrchestratorError, grpc.StatusCode.FAILED_PRECONDITION),
)


class DeploymentService(ObservingService, DeclaringService, CopyingService):
    """Answers the calls of orchestrator.v1."""

    async def Describe(
        self,
        request: pb.DescribeRequest,
        context: Context[pb.DescribeRequest, pb.DescribeResponse],
    ) -> pb.DescribeResponse:
        """Say what runs."""
        async with answering(context, _STATUSES):
            view = await with_times(self._control, self._orchestrator.describe())
        return deployment_to_message(view)

    async def ShowLinks(
        self,
        request: pb.ShowLinksRequest,
        context: Context[pb.ShowLinksRequest, pb.ShowLinksResponse],
    ) -> pb.ShowLinksResponse:
        """List links."""
        shaping, ends = self._control.shaping, request.ends
        if not request.HasField("ends"):
            return pb.ShowLinksResponse(links=[link_to_message(link) for link in shaping.links()])
        async with answering(context, _STATUSES):
            link = shaping.link(ends.first, ends.second, ends.network or None)
        return pb.ShowLinksResponse(links=[] if link is None else [link_to_message(link)])

    async def SetLink(
        self,
        request: pb.SetLinkRequest,
        context: Context[pb.SetLinkRequest, pb.SetLinkResponse],
    ) -> pb.SetLinkResponse:
        """Change a link."""
        async with answering(context, _STATUSES):
            wanted = set_link_from_message(request)
            await self._control.change(wanted)
            link = self._control.shaping.link(wanted.first, wanted.second, wanted.network)
        return pb.SetLinkResponse(link=None if link is None else link_to_message(link))

    async def ResetLinks(
        self,
        request: pb.ResetLinksRequest,
        context: Context[pb.ResetLinksRequest, pb.ResetLinksResponse],
    ) -> pb.ResetLinksResponse:
        """Take changes of links back."""
        async with answering(context, _STATUSES):
            names = await self._control.change(reset_from_message(request))
        return pb.ResetLinksResponse(names=names)

    async def Partition(
        self,
        request: pb.PartitionRequest,
        context: Context[pb.PartitionRequest, pb.PartitionResponse],
    ) -> pb.PartitionResponse:
        """Cut traffic."""
        async with answering(context, _STATUSES):
            fault = await self._part(part_from_message(request))
        return pb.PartitionResponse(fault=fault_to_message(fault))

    async def Hold(
        self,
        request: pb.HoldRequest,
        context: Context[pb.HoldRequest, pb.HoldResponse],
    ) -> pb.HoldResponse:
        """Keep traffic waiting."""
        async with answering(context, _STATUSES):
            fault = await self._part(part_from_message(request))
        return pb.HoldResponse(fault=fault_to_message(fault))

    async def _part(self, wanted: Part) -> FaultView:
        return await self._control.part(wanted)

    async def Heal(
        self,
        request: pb.HealRequest,
        context: Context[pb.HealRequest, pb.HealResponse],
    ) -> pb.HealResponse:
        """End partitions."""
        async with answering(context, _STATUSES):
            names = await self._control.change(mend_from_message(request))
        return pb.HealResponse(names=names)

    async def Release(
        self,
        request: pb.ReleaseRequest,
        context: Context[pb.ReleaseRequest, pb.ReleaseResponse],
    ) -> pb.ReleaseResponse:
        """End holds."""
        async with answering(context, _STATUSES):
            names = await self._control.change(mend_from_message(request))
        return pb.ReleaseResponse(names=names)

    async def PausePods(
        self,
        request: pb.PausePodsRequest,
        context: Context[pb.PausePodsRequest, pb.PausePodsResponse],
    ) -> pb.PausePodsResponse:
        """Keep pods from running."""
        async with answering(context, _STATUSES):
            duration_s = duration_from_us(request.duration_us)
            pods = await self._control.act(PodVerb.PAUSE, request.targets, duration_s)
        return pb.PausePodsResponse(pods=pods)

    async def ResumePods(
        self,
        request: pb.ResumePodsRequest,
        context: Context[pb.ResumePodsRequest, pb.ResumePodsResponse],
    ) -> pb.ResumePodsResponse:
        """Let paused pods go on."""
        async with answering(context, _STATUSES):
            pods = await self._control.act(PodVerb.RESUME, request.targets)
        return pb.ResumePodsResponse(pods=pods)

    async def SignalPods(
        self,
        request: pb.SignalPodsRequest,
        context: Context[pb.SignalPodsRequest, pb.SignalPodsResponse],
    ) -> pb.SignalPodsResponse:
        """Send pods a signal."""
        async with answering(context, _STATUSES):
            pods = await self._control.signal(request.targets, request.signal)
        return pb.SignalPodsResponse(pods=pods)

    async def KillPods(
        self,
        request: pb.KillPodsRequest,
        context: Context[pb.KillPodsRequest, pb.KillPodsResponse],
    ) -> pb.KillPodsResponse:
        """End pods at once."""
        async with answering(context, _STATUSES):
            pods = await self._control.act(PodVerb.KILL, request.targets)
        return pb.KillPodsResponse(pods=pods)

    async def Ping(
        self,
        request: pb.PingRequest,
        context: Context[pb.PingRequest, pb.PingResponse],
    ) -> AsyncIterator[pb.PingResponse]:
        """Send echo requests."""
        async with answering(context, _STATUSES):
            plan = plan_from_message(request.plan)
            async with aclosing(self._control.ping(request.source, request.target, plan)) as steps:
                async for step in steps:
                    yield ping_step_to_message(step)

    async def Capture(
        self,
        request: pb.CaptureRequest,
        context: Context[pb.CaptureRequest, pb.CaptureResponse],
    ) -> AsyncIterator[pb.CaptureResponse]:
        """Report packets."""
        async with (
            answering(context, _STATUSES),
            aclosing(self._control.capture(order_from_message(request))) as batches,
        ):
            async for batch in batches:
                yield batch_to_message(batch)

    async def Statistics(
        self,
        request: pb.StatisticsRequest,
        context: Context[pb.StatisticsRequest, pb.StatisticsResponse],
    ) -> pb.StatisticsResponse:
        """Say what the node and its pods use."""
        async with answering(context, _STATUSES):
            usage = await self._control.client.statistics()
        return statistics_message(usage, self._control.events.tallies)

    async def NetworkStatistics(
        self,
        request: pb.NetworkStatisticsRequest,
        context: Context[pb.NetworkStatisticsRequest, pb.NetworkStatisticsResponse],
    ) -> pb.NetworkStatisticsResponse:
        """Read the network's counters."""
        async with answering(context, _STATUSES):
            statistics = await self._control.client.network_statistics(flows=request.flows)
        return pb.NetworkStatisticsResponse(statistics=statistics_to_message(statistics))


def register(server: aio.Server, orchestrator: Orchestrator) -> None:
    """Add the deployment's face to a server."""
    add_DeploymentServiceServicer_to_server(DeploymentService(orchestrator), server)
    NodesService(orchestrator).join(server)


@asynccontextmanager
async def serve_control(
    orchestrator: Orchestrator, socket: Path, listen: ListenAddress | None = None
) -> AsyncGenerator[None, None]:
    """Serve the control socket, and another address for those elsewhere, while the block lasts.

    Args:
        orchestrator: Answers.
        socket: The control socket's place.
        listen: The other address; None is where an orchestrator listened that was killed, if it
            did.

    Raises:
        StateFolderError: the socket cannot be bound.
        AccessError: the other address cannot be had, or its files cannot be used.
    """
    server = aio.server()
    register(server, orchestrator)
    bind_private(server, socket)
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            await _serve_elsewhere(orchestrator, listen, stack)
            yield
    finally:
        orchestrator.events.close()
        await server.stop(grace=LAST_ANSWERS_S)
        with suppress(FileNotFoundError):
            os.unlink(socket)


async def _serve_elsewhere(
    orchestrator: Orchestrator, wanted: ListenAddress | None, stack: AsyncExitStack
) -> None:
    """Serve the other address, if there is one, until the stack is left."""
    address = orchestrator.address_to_serve(wanted)
    if address is not None:
        clock = asyncio.get_running_loop().time
        add = partial(register, orchestrator=orchestrator)
        serving = serve_remote(add, address, orchestrator.events, clock)
        try:
            port = await stack.enter_async_context(serving)
        except AccessError as error:
            if wanted is not None:
                raise
            text = f"not listening as before: {error}"  # nobody waits for it, and pods run on
            orchestrator.events.tell(text, Remarked(failure=True))
            return
        address = replace(address, port=port)
        where = join_host(address.host, port)
        orchestrator.events.tell(f"listening on {where}", Remarked())
    await orchestrator.keep_address(address)
