"""The node's gRPC face: messages in, messages out.

Owns the mapping of calls to the node and of its errors to statuses; nothing is decided here. A text
that goes out with a status is fit to be shown to a person.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import grpc
from grpc import aio

from pod_node.codec import (
    attach_event_to_message,
    attach_order_from_message,
    attach_steps,
    backends_from_message,
    batch_to_message,
    capture_from_message,
    dial_from_message,
    echo_to_message,
    event_to_message,
    exec_event_to_message,
    exec_order_from_message,
    exec_steps,
    lines_to_message,
    names_from_message,
    network_from_message,
    payloads,
    ping_from_message,
    pod_spec_from_message,
    pod_to_message,
    portal_to_message,
    progress_to_message,
    received_to_message,
    usage_to_message,
    wish_from_message,
)
from pod_node.copy_service import CopyService
from pod_node.dialling import BrokenConnectionError, carry
from pod_node.errors import (
    BootError,
    ImageNotPreparedError,
    InvalidSignalError,
    NetworkConflictError,
    NetworkInUseError,
    NetworkNotAttachedError,
    PodExistsError,
    PodNodeError,
    UnknownPodError,
    UnknownPortalError,
)
from pod_node.images.errors import CacheFullError, UnknownImageError
from pod_node.progress import Phase
from pod_node.serving import ErrorStatuses, Statuses
from pod_node.usage import NodeUsage, process_usage
from protos.node.v1 import node_pb2 as pb
from protos.node.v1.node_pb2_grpc import add_PodNodeServiceServicer_to_server
from vnet.capture import ExpressionError
from vnet.codec import configuration_from_message, fields, statistics_to_message
from vnet.edge import MalformedLabelError, PortInUseError
from vnet.errors import InvalidMessageError, VnetError
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pod_node.node import Node
    from pod_node.shelf import ImageShelf

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context: TypeAlias = aio.ServicerContext[_Request, _Response]

PINGS_APART_MS = 100
"""How soon after another a client may ask whether we are there; gRPC alone wants five minutes when
there is nothing to send, and breaks the connection of whoever asks the third time too soon: that of
everybody who watches a node on which nothing happens."""
OPTIONS = (
    ("grpc.http2.min_ping_interval_without_data_ms", PINGS_APART_MS),
    ("grpc.keepalive_permit_without_calls", 1),
)
STATUSES: Statuses = (
    (UnknownPodError, grpc.StatusCode.NOT_FOUND),
    (UnknownPortalError, grpc.StatusCode.NOT_FOUND),
    (UnknownImageError, grpc.StatusCode.NOT_FOUND),
    (PodExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (PortInUseError, grpc.StatusCode.ALREADY_EXISTS),
    (NetworkInUseError, grpc.StatusCode.FAILED_PRECONDITION),
    (NetworkConflictError, grpc.StatusCode.ALREADY_EXISTS),
    (InvalidMessageError, grpc.StatusCode.INVALID_ARGUMENT),
    (InvalidSignalError, grpc.StatusCode.INVALID_ARGUMENT),
    (MalformedLabelError, grpc.StatusCode.INVALID_ARGUMENT),
    (ExpressionError, grpc.StatusCode.INVALID_ARGUMENT),
    (ImageNotPreparedError, grpc.StatusCode.FAILED_PRECONDITION),
    (NetworkNotAttachedError, grpc.StatusCode.FAILED_PRECONDITION),
    (CacheFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (BootError, grpc.StatusCode.ABORTED),
    (BrokenConnectionError, grpc.StatusCode.ABORTED),
    (PodNodeError, grpc.StatusCode.FAILED_PRECONDITION),
    (VnetError, grpc.StatusCode.FAILED_PRECONDITION),
)


class PodNodeService(CopyService):
    """Answers the calls of node.v1."""

    def __init__(
        self, node: Node, shelf: ImageShelf, fabric_usage: Callable[[], tuple[int, int]]
    ) -> None:
        """Answer for a node.

        Args:
            node: The pods.
            shelf: Their images.
            fabric_usage: Tells the size of the fabric and how much of it is in use, in bytes.
        """
        self._node = node
        self._shelf = shelf
        self._fabric_usage = fabric_usage
        self._dials = TaskOwner()

    async def PrepareImages(
        self,
        request: pb.PrepareImagesRequest,
        context: Context[pb.PrepareImagesRequest, pb.PrepareImagesResponse],
    ) -> AsyncIterator[pb.PrepareImagesResponse]:
        """Prepare images, telling each step."""
        async with aclosing(self._shelf.prepare(request.images)) as steps:
            async for step in steps:
                ready = self._shelf.find(step.image) if step.phase is Phase.READY else None
                yield progress_to_message(ready, step)

    async def AttachNetworks(
        self,
        request: pb.AttachNetworksRequest,
        context: Context[pb.AttachNetworksRequest, pb.AttachNetworksResponse],
    ) -> pb.AttachNetworksResponse:
        """Declare networks."""
        for name, subnet in [network_from_message(message) for message in request.networks]:
            self._node.networks.attach(name, subnet)
        return pb.AttachNetworksResponse()

    async def ListNetworks(
        self,
        request: pb.ListNetworksRequest,
        context: Context[pb.ListNetworksRequest, pb.ListNetworksResponse],
    ) -> pb.ListNetworksResponse:
        """List the networks."""
        networks = self._node.networks.subnets.items()
        return pb.ListNetworksResponse(
            networks=[pb.Network(name=name, subnet_cidr=str(subnet)) for name, subnet in networks]
        )

    async def DetachNetworks(
        self,
        request: pb.DetachNetworksRequest,
        context: Context[pb.DetachNetworksRequest, pb.DetachNetworksResponse],
    ) -> pb.DetachNetworksResponse:
        """Take networks away."""
        for name in request.names:
            self._node.networks.detach(name)
        return pb.DetachNetworksResponse()

    async def ConfigureNetwork(
        self,
        request: pb.ConfigureNetworkRequest,
        context: Context[pb.ConfigureNetworkRequest, pb.ConfigureNetworkResponse],
    ) -> pb.ConfigureNetworkResponse:
        """Replace links, routes, faults and policies."""
        self._node.networks.configure(configuration_from_message(request.configuration))
        return pb.ConfigureNetworkResponse()

    async def PublishNames(
        self,
        request: pb.PublishNamesRequest,
        context: Context[pb.PublishNamesRequest, pb.PublishNamesResponse],
    ) -> pb.PublishNamesResponse:
        """Replace the names of a network."""
        self._node.networks.publish(request.network, names_from_message(request.records))
        return pb.PublishNamesResponse()

    async def BootPod(
        self,
        request: pb.BootPodRequest,
        context: Context[pb.BootPodRequest, pb.BootPodResponse],
    ) -> pb.BootPodResponse:
        """Boot a pod."""
        status = self._node.boot(pod_spec_from_message(request.spec))
        return pb.BootPodResponse(pod=pod_to_message(status))

    async def StopPod(
        self,
        request: pb.StopPodRequest,
        context: Context[pb.StopPodRequest, pb.StopPodResponse],
    ) -> pb.StopPodResponse:
        """End a pod in order."""
        status = await self._node.stop(request.name, request.grace_ms / 1000)
        return pb.StopPodResponse(pod=pod_to_message(status))

    async def SignalPod(
        self,
        request: pb.SignalPodRequest,
        context: Context[pb.SignalPodRequest, pb.SignalPodResponse],
    ) -> pb.SignalPodResponse:
        """Send a pod's main process a signal."""
        status = self._node.signal(request.name, request.signal)
        return pb.SignalPodResponse(pod=pod_to_message(status))

    async def RemovePod(
        self,
        request: pb.RemovePodRequest,
        context: Context[pb.RemovePodRequest, pb.RemovePodResponse],
    ) -> pb.RemovePodResponse:
        """Forget a pod."""
        self._node.remove(request.name)
        return pb.RemovePodResponse()

    async def KillPod(
        self,
        request: pb.KillPodRequest,
        context: Context[pb.KillPodRequest, pb.KillPodResponse],
    ) -> pb.KillPodResponse:
        """End a pod at once."""
        status = await self._node.kill(request.name)
        return pb.KillPodResponse(pod=pod_to_message(status))

    async def PausePod(
        self,
        request: pb.PausePodRequest,
        context: Context[pb.PausePodRequest, pb.PausePodResponse],
    ) -> pb.PausePodResponse:
        """Keep a pod from running."""
        status = self._node.pause(request.name)
        return pb.PausePodResponse(pod=pod_to_message(status))

    async def ResumePod(
        self,
        request: pb.ResumePodRequest,
        context: Context[pb.ResumePodRequest, pb.ResumePodResponse],
    ) -> pb.ResumePodResponse:
        """Let a paused pod go on."""
        status = self._node.resume(request.name)
        return pb.ResumePodResponse(pod=pod_to_message(status))

    async def ListPods(
        self,
        request: pb.ListPodsRequest,
        context: Context[pb.ListPodsRequest, pb.ListPodsResponse],
    ) -> pb.ListPodsResponse:
        """List every pod."""
        return pb.ListPodsResponse(pods=[pod_to_message(pod) for pod in self._node.statuses()])

    async def Watch(
        self,
        request: pb.WatchRequest,
        context: Context[pb.WatchRequest, pb.WatchResponse],
    ) -> AsyncIterator[pb.WatchResponse]:
        """Report every pod, then each change."""
        async with aclosing(self._node.watch()) as events:
            async for event in events:
                yield event_to_message(event)

    async def OpenPortal(
        self,
        request: pb.OpenPortalRequest,
        context: Context[pb.OpenPortalRequest, pb.OpenPortalResponse],
    ) -> pb.OpenPortalResponse:
        """Open a portal."""
        portal = await self._node.portals.open(
            request.service,
            fields.port("port", request.port),
            fields.port("host_port", request.host_port) if request.host_port else 0,
            backends_from_message(request.backends),
            label=request.label,
            shared_host_port=(
                fields.port("shared_host_port", request.shared_host_port)
                if request.shared_host_port
                else 0
            ),
        )
        return pb.OpenPortalResponse(portal=portal_to_message(portal))

    async def ClosePortal(
        self,
        request: pb.ClosePortalRequest,
        context: Context[pb.ClosePortalRequest, pb.ClosePortalResponse],
    ) -> pb.ClosePortalResponse:
        """Close a portal."""
        self._node.portals.close(request.portal_id)
        return pb.ClosePortalResponse()

    async def SetPortalBackends(
        self,
        request: pb.SetPortalBackendsRequest,
        context: Context[pb.SetPortalBackendsRequest, pb.SetPortalBackendsResponse],
    ) -> pb.SetPortalBackendsResponse:
        """Replace the pods behind a portal."""
        backends = backends_from_message(request.backends)
        self._node.portals.set_backends(request.portal_id, backends)
        return pb.SetPortalBackendsResponse()

    async def ListPortals(
        self,
        request: pb.ListPortalsRequest,
        context: Context[pb.ListPortalsRequest, pb.ListPortalsResponse],
    ) -> pb.ListPortalsResponse:
        """List the open portals."""
        views = self._node.portals.views()
        return pb.ListPortalsResponse(portals=[portal_to_message(view) for view in views])

    async def Logs(
        self,
        request: pb.LogsRequest,
        context: Context[pb.LogsRequest, pb.LogsResponse],
    ) -> AsyncIterator[pb.LogsResponse]:
        """Read logs."""
        async with aclosing(self._node.read_logs(wish_from_message(request))) as chunks:
            async for lines, lost in chunks:
                yield lines_to_message(lines, lost)

    async def Exec(
        self,
        request_iterator: AsyncIterator[pb.ExecRequest],
        context: Context[pb.ExecRequest, pb.ExecResponse],
    ) -> AsyncIterator[pb.ExecResponse]:
        """Run a program in a pod."""
        first = await anext(request_iterator, pb.ExecRequest())
        order = exec_order_from_message(first)
        async with aclosing(
            self._node.programs.exec(order, exec_steps(request_iterator))
        ) as events:
            async for event in events:
                yield exec_event_to_message(event)

    async def Attach(
        self,
        request_iterator: AsyncIterator[pb.AttachRequest],
        context: Context[pb.AttachRequest, pb.AttachResponse],
    ) -> AsyncIterator[pb.AttachResponse]:
        """Connect to a pod's main process."""
        first = await anext(request_iterator, pb.AttachRequest())
        pod = attach_order_from_message(first)
        async with aclosing(
            self._node.programs.attach(pod, attach_steps(request_iterator))
        ) as events:
            async for event in events:
                yield attach_event_to_message(event)

    async def Dial(
        self,
        request_iterator: AsyncIterator[pb.DialRequest],
        context: Context[pb.DialRequest, pb.DialResponse],
    ) -> AsyncIterator[pb.DialResponse]:
        """Connect to a pod."""
        first = await anext(request_iterator, pb.DialRequest())
        connection = await self._node.networks.dial(*dial_from_message(first))
        yield pb.DialResponse(opened=pb.DialOpened())
        sent = payloads(request_iterator)
        async with aclosing(carry(connection, sent, self._dials)) as received:
            async for data in received:
                yield received_to_message(data)

    async def Statistics(
        self,
        request: pb.StatisticsRequest,
        context: Context[pb.StatisticsRequest, pb.StatisticsResponse],
    ) -> pb.StatisticsResponse:
        """Say what the node and its pods use."""
        process = await asyncio.to_thread(process_usage)
        limit, used = self._fabric_usage()
        pods = tuple(self._node.usages())
        return usage_to_message(
            NodeUsage(
                process=process,
                running_pods=len(pods),
                fabric_used_bytes=used,
                fabric_limit_bytes=limit,
                pods=pods,
                portals=tuple(self._node.portals.usages()),
            )
        )

    async def NetworkStatistics(
        self,
        request: pb.NetworkStatisticsRequest,
        context: Context[pb.NetworkStatisticsRequest, pb.NetworkStatisticsResponse],
    ) -> pb.NetworkStatisticsResponse:
        """Read the network's counters."""
        statistics = self._node.networks.statistics(flows=request.flows)
        return pb.NetworkStatisticsResponse(statistics=statistics_to_message(statistics))

    async def Ping(
        self,
        request: pb.PingRequest,
        context: Context[pb.PingRequest, pb.PingResponse],
    ) -> AsyncIterator[pb.PingResponse]:
        """Send echo requests."""
        async with aclosing(self._node.networks.ping(*ping_from_message(request))) as echoes:
            async for echo in echoes:
                yield echo_to_message(echo)

    async def Capture(
        self,
        request: pb.CaptureRequest,
        context: Context[pb.CaptureRequest, pb.CaptureResponse],
    ) -> AsyncIterator[pb.CaptureResponse]:
        """Report packets."""
        async with aclosing(self._node.networks.capture(capture_from_message(request))) as batches:
            async for batch in batches:
                yield batch_to_message(batch)


def create_server(service: PodNodeService) -> aio.Server:
    """Create a server for the service; it still needs an address.

    Errors of whatever else it serves are answered with the same statuses.
    """
    server = aio.server(options=OPTIONS, interceptors=(ErrorStatuses(STATUSES),))
    add_PodNodeServiceServicer_to_server(service, server)
    return server
