"""The orchestrator's way to a pod node: node.v1 with our own values on both sides.

Owns the client: each method is one call of the contract, takes and gives values, and turns a failed
call into an error that a person can read. Decides nothing and keeps no state.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from orchestrator.codec.calls import cancelled, open_channel, sent, translated
from orchestrator.codec.connection import CarriedConnection
from orchestrator.codec.errors import NodeLostError, NodeRefusedError
from orchestrator.codec.programs import attach_requests, events_of, exec_requests
from orchestrator.codec.securing import NodeAddress, open_secured_channel
from pod_node.codec import (
    attach_event_from_message,
    backends_to_message,
    batch_from_message,
    capture_to_message,
    dial_to_message,
    echo_from_message,
    event_from_message,
    exec_event_from_message,
    lines_from_message,
    names_to_message,
    network_from_message,
    ping_to_message,
    pod_from_message,
    pod_spec_to_message,
    portal_from_message,
    progress_from_message,
    usage_from_message,
    wish_to_message,
)
from pod_node.codec.trunk import peers_to_message, settings_to_message
from pod_node.files import Copied
from pod_node.history import LogWish
from protos.node.v1 import node_pb2 as pb
from protos.node.v1.node_pb2_grpc import PodNodeServiceStub
from protos.node.v1.trunk_pb2_grpc import TrunkServiceStub
from vnet.codec import configuration_to_message, statistics_from_message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from ipaddress import IPv4Address, IPv4Network
    from pathlib import Path
    from types import TracebackType

    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import Connection
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent, OpenPortal, PodStatus, PortalBackend
    from pod_node.usage import NodeUsage
    from vnet.capture import CaptureBatch, CaptureWish
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import NumberedEcho, PingPlan
    from vnet.statistics import NetworkStatistics
    from vnet.trunk import PeerSpec, TrunkSettings


class NodeClient:
    """One connection to one pod node."""

    def __init__(self, address: Path | NodeAddress) -> None:
        """Prepare to reach a node by its socket, or on another machine."""
        if isinstance(address, NodeAddress):
            self._channel = open_secured_channel(address)
        else:
            self._channel = open_channel(address)
        self._stub = PodNodeServiceStub(self._channel)
        self._trunk = TrunkServiceStub(self._channel)

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
        with _errors(), cancelled(call):
            async for message in call:
                yield progress_from_message(message)

    async def open_trunk(self, settings: TrunkSettings) -> str:
        """Have the node listen for others; where."""
        with _errors():
            response = await self._trunk.OpenTrunk(settings_to_message(settings))
        return response.address

    async def set_peers(self, peers: Iterable[PeerSpec]) -> None:
        """Replace the other nodes, and what their pods have."""
        with _errors():
            await self._trunk.SetPeers(peers_to_message(peers))

    async def attach_networks(self, networks: Iterable[tuple[str, IPv4Network]]) -> None:
        """Declare networks."""
        messages = [pb.Network(name=name, subnet_cidr=str(subnet)) for name, subnet in networks]
        with _errors():
            await self._stub.AttachNetworks(pb.AttachNetworksRequest(networks=messages))

    async def list_networks(self) -> dict[str, IPv4Network]:
        """List the networks that are declared."""
        with _errors():
            response = await self._stub.ListNetworks(pb.ListNetworksRequest())
        return dict(network_from_message(network) for network in response.networks)

    async def detach_networks(self, names: Iterable[str]) -> None:
        """Take networks away on which no pod is."""
        with _errors():
            await self._stub.DetachNetworks(pb.DetachNetworksRequest(names=names))

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

    async def remove_pod(self, name: str) -> None:
        """Forget a pod that has ended."""
        with _errors():
            await self._stub.RemovePod(pb.RemovePodRequest(name=name))

    async def list_pods(self) -> list[PodStatus]:
        """List every pod of the node."""
        with _errors():
            response = await self._stub.ListPods(pb.ListPodsRequest())
        return [pod_from_message(pod) for pod in response.pods]

    async def watch(self) -> AsyncGenerator[NodeEvent, None]:
        """Report every pod as it stands, then each change."""
        call = self._stub.Watch(pb.WatchRequest())
        with _errors(), cancelled(call):
            async for message in call:
                yield event_from_message(message)

    async def logs(
        self,
        *,
        follow: bool,
        pods: Iterable[str] = (),
        services: Iterable[str] = (),
        tail: int | None = None,
        since_s: float = 0.0,
        until_s: float | None = None,
    ) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read logs as `LogWish` says; with lines comes how many were lost before them."""
        wish = LogWish(
            pods=frozenset(pods),
            services=frozenset(services),
            tail=tail,
            since_s=since_s,
            until_s=until_s,
            follow=follow,
        )
        call = self._stub.Logs(wish_to_message(wish))
        with _errors(), cancelled(call):
            async for message in call:
                yield lines_from_message(message)

    async def exec(
        self, order: ExecOrder, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, to its end; when nobody listens any more it is ended."""
        told = exec_requests(order, steps)
        events = events_of(self._stub.Exec(), told, exec_event_from_message)
        with _errors():
            async with aclosing(events):
                async for event in events:
                    yield event

    async def attach(
        self, pod: str, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process until it ends, or nobody listens any more."""
        told = attach_requests(pod, steps)
        events = events_of(self._stub.Attach(), told, attach_event_from_message)
        with _errors():
            async with aclosing(events):
                async for event in events:
                    yield event

    async def signal_pod(self, name: str, number: int) -> PodStatus:
        """Send a pod's main process a signal."""
        with _errors():
            response = await self._stub.SignalPod(pb.SignalPodRequest(name=name, signal=number))
        return pod_from_message(response.pod)

    async def dial(self, address: IPv4Address, port: int, timeout_s: float) -> Connection:
        """Connect to a pod from the node's own endpoint; whoever asks must `abort` it at the end.

        Raises:
            NodeRefusedError: the pod does not take the connection.
        """
        carried = CarriedConnection(
            self._stub.Dial(),
            lambda data: pb.DialRequest(payload=data),
            NodeRefusedError,
            NodeLostError,
        )
        await carried.open(dial_to_message(address, port, timeout_s))
        return carried

    async def open_portal(
        self,
        service: str,
        port: int,
        host_port: int,
        backends: Iterable[PortalBackend],
        *,
        label: str = "",
        shared_host_port: int = 0,
    ) -> OpenPortal:
        """Open a portal to a service's port; host port 0 lets the node choose.

        Args:
            service: The service.
            port: The port in its pods.
            host_port: The port of this machine, for this portal alone.
            backends: The pods that take requests.
            label: Of the same portal when it was open before.
            shared_host_port: What the node's portals shared before.
        """
        request = pb.OpenPortalRequest(
            service=service,
            port=port,
            host_port=host_port,
            backends=backends_to_message(backends),
            label=label,
            shared_host_port=shared_host_port,
        )
        with _errors():
            response = await self._stub.OpenPortal(request)
        return portal_from_message(response.portal)

    async def close_portal(self, portal_id: str) -> None:
        """Close a portal and its connections."""
        with _errors():
            await self._stub.ClosePortal(pb.ClosePortalRequest(portal_id=portal_id))

    async def list_portals(self) -> list[OpenPortal]:
        """List the open portals."""
        with _errors():
            response = await self._stub.ListPortals(pb.ListPortalsRequest())
        return [portal_from_message(portal) for portal in response.portals]

    async def set_portal_backends(self, portal_id: str, backends: Iterable[PortalBackend]) -> None:
        """Replace the pods behind a portal."""
        request = pb.SetPortalBackendsRequest(
            portal_id=portal_id, backends=backends_to_message(backends)
        )
        with _errors():
            await self._stub.SetPortalBackends(request)

    async def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults and policies."""
        message = configuration_to_message(configuration)
        with _errors():
            await self._stub.ConfigureNetwork(pb.ConfigureNetworkRequest(configuration=message))

    async def pause_pod(self, name: str) -> PodStatus:
        """Keep a pod from running."""
        with _errors():
            response = await self._stub.PausePod(pb.PausePodRequest(name=name))
        return pod_from_message(response.pod)

    async def resume_pod(self, name: str) -> PodStatus:
        """Let a paused pod go on."""
        with _errors():
            response = await self._stub.ResumePod(pb.ResumePodRequest(name=name))
        return pod_from_message(response.pod)

    async def copy_out(self, pod: str, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Take a file or folder of a pod as a tar stream."""
        call = self._stub.CopyOut(pb.CopyOutRequest(pod=pod, path=path, follow=follow))
        with _errors(), cancelled(call):
            async for message in call:
                yield message.chunk

    async def copy_in(
        self, pod: str, path: str, pieces: AsyncIterable[bytes], *, strip: bool
    ) -> Copied:
        """Put a tar stream into a pod; see `pod_node.files.copy_in`."""

        async def messages() -> AsyncGenerator[pb.CopyInRequest, None]:
            yield pb.CopyInRequest(target=pb.CopyTarget(pod=pod, path=path, strip=strip))
            async for piece in pieces:
                yield pb.CopyInRequest(chunk=piece)

        with _errors():
            response = await sent(self._stub.CopyIn(), messages())
        return Copied(files=response.files, bytes=response.bytes)

    async def remove_files(self, pod: str, paths: Sequence[str]) -> None:
        """Remove files and folders of a pod."""
        with _errors():
            await self._stub.RemoveFiles(pb.RemoveFilesRequest(pod=pod, paths=paths))

    async def statistics(self) -> NodeUsage:
        """Say what the node and its pods use."""
        with _errors():
            return usage_from_message(await self._stub.Statistics(pb.StatisticsRequest()))

    async def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        with _errors():
            request = pb.NetworkStatisticsRequest(flows=flows)
            response = await self._stub.NetworkStatistics(request)
        return statistics_from_message(response.statistics)

    async def ping(
        self, source: IPv4Address, target: IPv4Address, plan: PingPlan
    ) -> AsyncGenerator[NumberedEcho, None]:
        """Send echo requests and report what becomes of each."""
        call = self._stub.Ping(ping_to_message(source, target, plan))
        with _errors(), cancelled(call):
            async for message in call:
                yield echo_from_message(message)

    async def capture(self, wish: CaptureWish) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place."""
        call = self._stub.Capture(capture_to_message(wish))
        with _errors(), cancelled(call):
            async for message in call:
                yield batch_from_message(message)


def _errors() -> AbstractContextManager[None]:
    return translated(NodeRefusedError, NodeLostError)
