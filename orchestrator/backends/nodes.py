"""What a deployment asks of where its pods run: one node, or several as if they were one.

Owns the protocol. A node is reached by `codec.NodeClient`, several by `cluster.Fleet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import Connection
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from pod_node.files import Copied
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent, OpenPortal, PodStatus, PortalBackend
    from pod_node.usage import NodeUsage
    from vnet.capture import CaptureBatch, CaptureWish
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import NumberedEcho, PingPlan
    from vnet.statistics import NetworkStatistics


@dataclass(frozen=True, slots=True)
class PodsDisplaced:
    """Pods that have lost their node, or are taken from it; they are to be booted elsewhere."""

    pods: tuple[str, ...]
    reason: str


class Nodes(Protocol):
    """Where the pods of a deployment run; each method as `codec.NodeClient` has it."""

    def prepare_image(self, image: str) -> AsyncGenerator[Progress, None]:
        """Bring an image to where its pods run and compile it, step by step."""

    async def attach_networks(self, networks: Iterable[tuple[str, IPv4Network]]) -> None:
        """Declare networks."""

    async def list_networks(self) -> dict[str, IPv4Network]:
        """List the networks that are declared."""

    async def detach_networks(self, names: Iterable[str]) -> None:
        """Take networks away on which no pod is."""

    async def publish_names(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names of a network."""

    async def boot_pod(self, spec: PodSpec) -> PodStatus:
        """Boot a pod; an event tells when its guest runs."""

    async def kill_pod(self, name: str) -> PodStatus:
        """End a pod at once; returns when it has ended."""

    async def stop_pod(self, name: str, grace_s: float) -> PodStatus:
        """End a pod in order; returns when it has ended."""

    async def remove_pod(self, name: str) -> None:
        """Forget a pod that has ended."""

    async def pause_pod(self, name: str) -> PodStatus:
        """Keep a pod from running."""

    async def resume_pod(self, name: str) -> PodStatus:
        """Let a paused pod go on."""

    async def signal_pod(self, name: str, number: int) -> PodStatus:
        """Send a pod's main process a signal."""

    def exec(
        self, order: ExecOrder, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, to its end."""

    def attach(
        self, pod: str, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process until it ends, or nobody listens any more."""

    def copy_out(self, pod: str, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Take a file or folder of a pod as a tar stream."""

    async def copy_in(
        self, pod: str, path: str, pieces: AsyncIterable[bytes], *, strip: bool
    ) -> Copied:
        """Put a tar stream into a pod."""

    async def remove_files(self, pod: str, paths: Sequence[str]) -> None:
        """Remove files and folders of a pod."""

    async def list_pods(self) -> list[PodStatus]:
        """List every pod."""

    def watch(self) -> AsyncGenerator[NodeEvent | PodsDisplaced, None]:
        """Report every pod as it stands, then each change."""

    def logs(
        self,
        *,
        follow: bool,
        pods: Iterable[str] = (),
        services: Iterable[str] = (),
        tail: int | None = None,
        since_s: float = 0.0,
        until_s: float | None = None,
    ) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read logs."""

    async def dial(self, address: IPv4Address, port: int, timeout_s: float) -> Connection:
        """Connect to a pod."""

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
        """Open a portal to a service's port."""

    async def close_portal(self, portal_id: str) -> None:
        """Close a portal and its connections."""

    async def list_portals(self) -> list[OpenPortal]:
        """List the open portals."""

    async def set_portal_backends(self, portal_id: str, backends: Iterable[PortalBackend]) -> None:
        """Replace the pods behind a portal."""

    async def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults and policies."""

    async def statistics(self) -> NodeUsage:
        """Say what the pods use."""

    async def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters."""

    def ping(
        self, source: IPv4Address, target: IPv4Address, plan: PingPlan
    ) -> AsyncGenerator[NumberedEcho, None]:
        """Send echo requests and report what becomes of each."""

    def capture(self, wish: CaptureWish) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place."""
