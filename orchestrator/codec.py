"""The orchestrator's way to a pod node: node.v1 with our own values on both sides.

Owns the client: each method is one call of the contract, takes and gives values, and turns a failed
call into an error that a person can read. Decides nothing and keeps no state.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import grpc
from grpc import aio

from orchestrator.errors import OrchestratorError
from pod_node.codec import (
    backends_to_message,
    event_from_message,
    lines_from_message,
    names_to_message,
    pod_from_message,
    pod_spec_to_message,
    portal_from_message,
    progress_from_message,
)
from protos.node.v1 import node_pb2 as pb
from protos.node.v1.node_pb2_grpc import PodNodeServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network
    from pathlib import Path
    from types import TracebackType

    from pod_node.images import Progress
    from pod_node.records import LogLines
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent, OpenPortal, PodStatus, PortalBackend

LOCAL_AUTHORITY = "localhost"
"""HTTP/2 wants a host name; a socket's path is none."""


class NodeRefusedError(OrchestratorError):
    """The pod node did not do what it was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NodeLostError(OrchestratorError):
    """The pod node does not answer any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the pod node does not answer: {self.reason}"


class NodeClient:
    """One connection to one pod node."""

    def __init__(self, socket: Path) -> None:
        options = [("grpc.default_authority", LOCAL_AUTHORITY), ("grpc.enable_http_proxy", 0)]
        self._channel = aio.insecure_channel(f"unix:{socket}", options=options)
        self._stub = PodNodeServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def prepare_image(self, image: str) -> AsyncGenerator[Progress, None]:
        """Bring an image onto the node and compile it, step by step."""
        call = self._stub.PrepareImages(pb.PrepareImagesRequest(images=[image]))
        with _errors(), _cancelled(call):
            async for message in call:
                yield progress_from_message(message)

    async def attach_networks(self, networks: Iterable[tuple[str, IPv4Network]]) -> None:
        """Declare networks."""
        messages = [pb.Network(name=name, subnet_cidr=str(subnet)) for name, subnet in networks]
        with _errors():
            await self._stub.AttachNetworks(pb.AttachNetworksRequest(networks=messages))

    async def publish_names(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names of a network."""
        request = pb.PublishNamesRequest(network=network, records=names_to_message(names))
        with _errors():
            await self._stub.PublishNames(request)

    async def boot_pod(self, spec: PodSpec) -> PodStatus:
        """Boot a pod; an event tells when its guest runs."""
        with _errors():
            response = await self._stub.BootPod(pb.BootPodRequest(spec=pod_spec_to_message(spec)))
        return pod_from_message(response.pod)

    async def kill_pod(self, name: str) -> PodStatus:
        """End a pod at once; returns when it has ended."""
        with _errors():
            response = await self._stub.KillPod(pb.KillPodRequest(name=name))
        return pod_from_message(response.pod)

    async def stop_pod(self, name: str, grace_s: float) -> PodStatus:
        """End a pod in order; returns when it has ended."""
        with _errors():
            request = pb.StopPodRequest(name=name, grace_ms=round(grace_s * 1000))
            response = await self._stub.StopPod(request)
        return pod_from_message(response.pod)

    async def list_pods(self) -> list[PodStatus]:
        """List every pod of the node."""
        with _errors():
            response = await self._stub.ListPods(pb.ListPodsRequest())
        return [pod_from_message(pod) for pod in response.pods]

    async def watch(self) -> AsyncGenerator[NodeEvent, None]:
        """Report every pod as it stands, then each change."""
        call = self._stub.Watch(pb.WatchRequest())
        with _errors(), _cancelled(call):
            async for message in call:
                yield event_from_message(message)

    async def logs(
        self,
        pods: Sequence[str] = (),
        *,
        follow: bool,
        tail: int | None = None,
        since_s: float = 0.0,
    ) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read logs; with each chunk of lines comes how many chunks were lost before it."""
        request = pb.LogsRequest(
            pods=pods, follow=follow, tail_lines=tail, since_unix_us=round(since_s * 1_000_000)
        )
        call = self._stub.Logs(request)
        with _errors(), _cancelled(call):
            async for message in call:
                yield lines_from_message(message)

    async def open_portal(
        self, service: str, port: int, host_port: int, backends: Iterable[PortalBackend]
    ) -> OpenPortal:
        """Open a portal to a service's port; host port 0 lets the node choose."""
        request = pb.OpenPortalRequest(
            service=service, port=port, host_port=host_port, backends=backends_to_message(backends)
        )
        with _errors():
            response = await self._stub.OpenPortal(request)
        return portal_from_message(response.portal)

    async def set_portal_backends(self, portal_id: str, backends: Iterable[PortalBackend]) -> None:
        """Replace the pods behind a portal."""
        request = pb.SetPortalBackendsRequest(
            portal_id=portal_id, backends=backends_to_message(backends)
        )
        with _errors():
            await self._stub.SetPortalBackends(request)


@contextmanager
def _cancelled(call: aio.Call) -> Iterator[None]:
    """End a stream with the block that reads it, so that the node stops working for it."""
    try:
        yield
    finally:
        call.cancel()


@contextmanager
def _errors() -> Iterator[None]:
    """Turn a failed call into an error of ours."""
    try:
        yield
    except aio.AioRpcError as error:
        reason = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise NodeLostError(reason) from error
        raise NodeRefusedError(reason) from error
