"""The way to a running deployment: orchestrator.v1 with our own values on both sides.

Owns the client: each method is one call of the contract. Decides nothing and keeps no state.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, Self

from orchestrator.codec.calls import cancelled, open_channel, sent, translated
from orchestrator.codec.changes import (
    ends_to_message,
    hold_to_message,
    partition_to_message,
    reset_to_message,
    set_link_to_message,
)
from orchestrator.codec.connection import CarriedConnection
from orchestrator.codec.deployment import (
    deployment_from_message,
    event_from_message,
    fault_from_message,
    link_from_message,
)
from orchestrator.codec.errors import DeploymentLostError, DeploymentRefusedError
from orchestrator.codec.looking import (
    batch_from_message,
    order_to_message,
    ping_step_from_message,
)
from orchestrator.codec.portals import listed_portal_from_message
from orchestrator.codec.programs import (
    attach_requests,
    events_of,
    exec_requests,
    wrap_attach,
    wrap_exec,
    wrapped,
)
from orchestrator.codec.progress import read_progress, source_to_message
from orchestrator.codec.times import US, duration_to_us
from orchestrator.codec.watching import (
    dial_to_message,
    event_order_to_message,
    log_chunk_from_message,
    log_order_to_message,
    tallies_from_message,
)
from orchestrator.network.changes import PodVerb
from orchestrator.views import EventOrder
from pod_node.codec import (
    attach_event_from_message,
    exec_event_from_message,
    plan_to_message,
    portal_from_message,
    usage_from_message,
)
from pod_node.files import Copied
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceStub
from vnet.codec import statistics_from_message
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Mapping,
        Sequence,
    )
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from orchestrator.access import RemoteAddress
    from orchestrator.network.changes import Mend, Part, ResetLink, ResetLinks, SetLink
    from orchestrator.progress import Progress
    from orchestrator.tallies import Tallies
    from orchestrator.topology.source import TopologySource
    from orchestrator.views import (
        CaptureOrder,
        DeploymentEvent,
        DeploymentView,
        FaultView,
        LinkView,
        LogOrder,
        PingStep,
        PortalView,
    )
    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import Connection
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal
    from pod_node.usage import NodeUsage
    from vnet.capture import CaptureBatch
    from vnet.ping import PingPlan
    from vnet.statistics import NetworkStatistics


class DeploymentClient:
    """One connection to one running deployment."""

    def __init__(self, where: Path | RemoteAddress) -> None:
        """Prepare to call; the connection comes with the first call.

        Raises:
            AccessError: a file with a token or a certificate cannot be used.
        """
        self._channel = open_channel(where)
        self._stub = DeploymentServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def describe(self) -> DeploymentView:
        """Say what runs."""
        with _errors():
            return deployment_from_message(await self._stub.Describe(pb.DescribeRequest()))

    def apply(
        self,
        source: TopologySource,
        *,
        dry_run: bool = False,
        force_recreate: bool = False,
        services: Sequence[str] = (),
    ) -> AsyncGenerator[Progress, None]:
        """Make the deployment what a topology says.

        Args:
            source: The topology.
            dry_run: Only say what would be done.
            force_recreate: Replace pods that do not differ, too.
            services: The only ones to start, with those that they depend on; none means all.
        """
        request = pb.ApplyRequest(
            source=source_to_message(source),
            dry_run=dry_run,
            force_recreate=force_recreate,
            services=services,
        )
        return _progress(lambda: self._stub.Apply(request))

    def scale(self, replicas: Mapping[str, int]) -> AsyncGenerator[Progress, None]:
        """Change numbers of replicas."""
        request = pb.ScaleRequest(replicas=dict(replicas))
        return _progress(lambda: self._stub.Scale(request))

    def restart_pods(
        self, targets: Sequence[str], grace_s: float | None
    ) -> AsyncGenerator[Progress, None]:
        """End pods in order and start them again; no targets are all."""
        request = pb.RestartPodsRequest(targets=targets, grace_us=_grace_to_us(grace_s))
        return _progress(lambda: self._stub.RestartPods(request))

    def stop_pods(
        self, targets: Sequence[str], grace_s: float | None
    ) -> AsyncGenerator[Progress, None]:
        """End pods in order until somebody starts them; no targets are all."""
        request = pb.StopPodsRequest(targets=targets, grace_us=_grace_to_us(grace_s))
        return _progress(lambda: self._stub.StopPods(request))

    def start_pods(self, targets: Sequence[str]) -> AsyncGenerator[Progress, None]:
        """Start pods that were stopped; no targets are all."""
        request = pb.StartPodsRequest(targets=targets)
        return _progress(lambda: self._stub.StartPods(request))

    def down(self, grace_s: float | None) -> AsyncGenerator[Progress, None]:
        """End everything; ends when the node has."""
        request = pb.DownRequest(grace_us=_grace_to_us(grace_s))
        return _progress(lambda: self._stub.Down(request))

    async def links(self) -> list[LinkView]:
        """List all links as they are now."""
        with _errors():
            response = await self._stub.ShowLinks(pb.ShowLinksRequest())
        return [link_from_message(link) for link in response.links]

    async def link(self, first: str, second: str, network: str | None) -> list[LinkView]:
        """Show the link that holds between two, turned the same way around; it may be none."""
        request = pb.ShowLinksRequest(ends=ends_to_message(first, second, network))
        with _errors():
            response = await self._stub.ShowLinks(request)
        return [link_from_message(link) for link in response.links]

    async def set_link(self, wanted: SetLink) -> LinkView:
        """Change a link; packets sent from now on meet it."""
        with _errors():
            response = await self._stub.SetLink(set_link_to_message(wanted))
        return link_from_message(response.link)

    async def reset_links(self, wanted: ResetLink | ResetLinks) -> list[str]:
        """Take changes of links back; name the links that had any."""
        with _errors():
            response = await self._stub.ResetLinks(reset_to_message(wanted))
        return list(response.names)

    async def part(self, wanted: Part) -> FaultView:
        """Begin a partition or a hold."""
        with _errors():
            if wanted.kind is FaultKind.CUT:
                cut = await self._stub.Partition(partition_to_message(wanted))
                return fault_from_message(cut.fault)
            held = await self._stub.Hold(hold_to_message(wanted))
            return fault_from_message(held.fault)

    async def mend(self, wanted: Mend) -> list[str]:
        """End partitions or holds; name those that ended."""
        name = wanted.name or ""
        with _errors():
            if wanted.kind is FaultKind.CUT:
                return list((await self._stub.Heal(pb.HealRequest(name=name))).names)
            return list((await self._stub.Release(pb.ReleaseRequest(name=name))).names)

    async def act_on_pods(
        self, verb: PodVerb, targets: Sequence[str], duration_s: float | None = None
    ) -> list[str]:
        """Kill, pause or resume services or pods; name the pods.

        Args:
            verb: What to do.
            targets: Names of services and pods.
            duration_s: After what time to resume those that are paused; None is never.
        """
        with _errors():
            match verb:
                case PodVerb.KILL:
                    killed = await self._stub.KillPods(pb.KillPodsRequest(targets=targets))
                    return list(killed.pods)
                case PodVerb.RESUME:
                    resumed = await self._stub.ResumePods(pb.ResumePodsRequest(targets=targets))
                    return list(resumed.pods)
                case PodVerb.PAUSE:
                    request = pb.PausePodsRequest(
                        targets=targets, duration_us=duration_to_us(duration_s)
                    )
                    return list((await self._stub.PausePods(request)).pods)

    async def copy_out(self, name: str, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Take a file or folder of a pod as a tar stream."""
        call = self._stub.CopyOut(pb.CopyOutRequest(name=name, path=path, follow=follow))
        with _errors(), cancelled(call):
            async for message in call:
                yield message.chunk

    async def remove_files(self, name: str, paths: Sequence[str]) -> None:
        """Remove files and folders of a pod."""
        with _errors():
            await self._stub.RemoveFiles(pb.RemoveFilesRequest(name=name, paths=paths))

    async def copy_in(
        self, name: str, path: str, pieces: AsyncIterable[bytes], *, strip: bool
    ) -> Copied:
        """Put a tar stream into a pod; see `pod_node.files.copy_in`."""

        async def messages() -> AsyncGenerator[pb.CopyInRequest, None]:
            yield pb.CopyInRequest(target=pb.CopyTarget(name=name, path=path, strip=strip))
            async for piece in pieces:
                yield pb.CopyInRequest(chunk=piece)

        with _errors():
            response = await sent(self._stub.CopyIn(), messages())
        return Copied(files=response.files, bytes=response.bytes)

    async def ping(
        self, source: str, target: str, plan: PingPlan
    ) -> AsyncGenerator[PingStep, None]:
        """Say who asks whom, then what becomes of each request."""
        request = pb.PingRequest(source=source, target=target, plan=plan_to_message(plan))
        call = self._stub.Ping(request)
        with _errors(), cancelled(call):
            async for message in call:
                yield ping_step_from_message(message)

    async def capture(self, order: CaptureOrder) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass."""
        call = self._stub.Capture(order_to_message(order))
        with _errors(), cancelled(call):
            async for message in call:
                yield batch_from_message(message)

    async def statistics(self) -> NodeUsage:
        """Say what the node and its pods use."""
        with _errors():
            response = await self._stub.Statistics(pb.StatisticsRequest())
        return usage_from_message(response.statistics)

    async def measure(self) -> tuple[NodeUsage, Tallies]:
        """Say what is used, and how often things have happened."""
        with _errors():
            response = await self._stub.Statistics(pb.StatisticsRequest())
        return usage_from_message(response.statistics), tallies_from_message(response)

    async def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        with _errors():
            request = pb.NetworkStatisticsRequest(flows=flows)
            response = await self._stub.NetworkStatistics(request)
        return statistics_from_message(response.statistics)

    async def exec(
        self, order: ExecOrder, index: int, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, or in a replica of a service; see `run_program`."""
        told = wrapped(wrap_exec, index, exec_requests(order, steps))
        events = events_of(self._stub.Exec(), told, lambda m: exec_event_from_message(m.response))
        with _errors():
            async with aclosing(events):
                async for event in events:
                    yield event

    async def attach(
        self, target: str, index: int, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process, or a replica's; see `attach_to`."""
        told = wrapped(wrap_attach, index, attach_requests(target, steps))
        events = events_of(
            self._stub.Attach(), told, lambda m: attach_event_from_message(m.response)
        )
        with _errors():
            async with aclosing(events):
                async for event in events:
                    yield event

    async def signal_pods(self, targets: Sequence[str], number: int) -> list[str]:
        """Send the main processes of services or pods a signal; name the pods."""
        request = pb.SignalPodsRequest(targets=targets, signal=number)
        with _errors():
            return list((await self._stub.SignalPods(request)).pods)

    async def dial(
        self, name: str, port: int, timeout_s: float | None = None
    ) -> tuple[str, Connection]:
        """Connect to a pod, or to the next ready one of a service; name it.

        Whoever asks must `abort` the connection at the end.

        Raises:
            DeploymentRefusedError: there is nobody who takes the connection.
        """
        carried = CarriedConnection(
            self._stub.Dial(),
            lambda data: pb.DialRequest(payload=data),
            DeploymentRefusedError,
            DeploymentLostError,
        )
        opened = await carried.open(dial_to_message(name, port, timeout_s))
        return opened.opened.pod, carried

    async def portals(self) -> list[PortalView]:
        """List the open portals."""
        with _errors():
            response = await self._stub.ListPortals(pb.ListPortalsRequest())
        return [listed_portal_from_message(portal) for portal in response.portals]

    async def open_portal(self, service: str, port: int, host_port: int = 0) -> OpenPortal:
        """Open a portal; host port 0 shares the node's."""
        request = pb.OpenPortalRequest(service=service, port=port, host_port=host_port)
        with _errors():
            return portal_from_message((await self._stub.OpenPortal(request)).portal)

    async def close_portals(self, service: str, port: int = 0) -> list[OpenPortal]:
        """Close the portals to a service's port, or with 0 all of the service's; say which."""
        request = pb.ClosePortalsRequest(service=service, port=port)
        with _errors():
            response = await self._stub.ClosePortals(request)
        return [portal_from_message(portal) for portal in response.portals]

    async def logs(self, order: LogOrder) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read what pods wrote; with lines comes how many were lost before them."""
        call = self._stub.Logs(log_order_to_message(order))
        with _errors(), cancelled(call):
            async for message in call:
                yield log_chunk_from_message(message)

    async def events(
        self, order: EventOrder | None = None
    ) -> AsyncGenerator[DeploymentEvent, None]:
        """Report what happens; without an order, everything from now on."""
        call = self._stub.Events(event_order_to_message(order or EventOrder()))
        with _errors(), cancelled(call):
            async for message in call:
                yield event_from_message(message)


class _Carrier(Protocol):
    """A message that has nothing but progress."""

    @property
    def progress(self) -> pb.Progress: ...


class _Carriers(Protocol):
    """A call that answers with such messages."""

    def __aiter__(self) -> AsyncIterator[_Carrier]: ...

    def cancel(self) -> bool: ...


async def _progress(call: Callable[[], _Carriers]) -> AsyncGenerator[Progress, None]:
    begun = call()
    with _errors(), cancelled(begun):
        async for carrier in begun:
            yield read_progress(carrier.progress)


def _grace_to_us(grace_s: float | None) -> int | None:
    return None if grace_s is None else round(grace_s * US)


def _errors() -> AbstractContextManager[None]:
    return translated(DeploymentRefusedError, DeploymentLostError)
