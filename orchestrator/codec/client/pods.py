"""The pods of a running deployment: ended and paused, entered, counted."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.codec.calls import cancelled, sent
from orchestrator.codec.connection import CarriedConnection
from orchestrator.codec.errors import DeploymentLostError, DeploymentRefusedError
from orchestrator.codec.programs import (
    attach_requests,
    events_of,
    exec_requests,
    wrap_attach,
    wrap_exec,
    wrapped,
)
from orchestrator.codec.times import duration_to_us
from orchestrator.codec.watching import (
    dial_to_message,
    tallies_from_message,
)
from orchestrator.network.changes import PodVerb
from pod_node.codec import (
    attach_event_from_message,
    exec_event_from_message,
    usage_from_message,
)
from pod_node.files import Copied
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Sequence,
    )

    from orchestrator.events.tallies import Tallies
    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import Connection
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from pod_node.usage import NodeUsage
from orchestrator.codec.client.connecting import errors
from orchestrator.codec.client.describing import DescribingClient


class PodsClient(DescribingClient):
    """Acts on pods, and goes into them."""

    async def act_on_pods(
        self, verb: PodVerb, targets: Sequence[str], duration_s: float | None = None
    ) -> list[str]:
        """Kill, pause or resume services or pods; name the pods.

        Args:
            verb: What to do.
            targets: Names of services and pods.
            duration_s: After what time to resume those that are paused; None is never.
        """
        with errors():
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

    async def signal_pods(self, targets: Sequence[str], number: int) -> list[str]:
        """Send the main processes of services or pods a signal; name the pods."""
        request = pb.SignalPodsRequest(targets=targets, signal=number)
        with errors():
            return list((await self._stub.SignalPods(request)).pods)

    async def exec(
        self, order: ExecOrder, index: int, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, or in a replica of a service; see `run_program`."""
        told = wrapped(wrap_exec, index, exec_requests(order, steps))
        events = events_of(self._stub.Exec(), told, lambda m: exec_event_from_message(m.response))
        with errors():
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
        with errors():
            async with aclosing(events):
                async for event in events:
                    yield event

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

    async def copy_out(self, name: str, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Take a file or folder of a pod as a tar stream."""
        call = self._stub.CopyOut(pb.CopyOutRequest(name=name, path=path, follow=follow))
        with errors(), cancelled(call):
            async for message in call:
                yield message.chunk

    async def copy_in(
        self, name: str, path: str, pieces: AsyncIterable[bytes], *, strip: bool
    ) -> Copied:
        """Put a tar stream into a pod; see `pod_node.files.copy_in`."""

        async def messages() -> AsyncGenerator[pb.CopyInRequest, None]:
            yield pb.CopyInRequest(target=pb.CopyTarget(name=name, path=path, strip=strip))
            async for piece in pieces:
                yield pb.CopyInRequest(chunk=piece)

        with errors():
            response = await sent(self._stub.CopyIn(), messages())
        return Copied(files=response.files, bytes=response.bytes)

    async def remove_files(self, name: str, paths: Sequence[str]) -> None:
        """Remove files and folders of a pod."""
        with errors():
            await self._stub.RemoveFiles(pb.RemoveFilesRequest(name=name, paths=paths))

    async def statistics(self) -> NodeUsage:
        """Say what the node and its pods use."""
        with errors():
            response = await self._stub.Statistics(pb.StatisticsRequest())
        return usage_from_message(response.statistics)

    async def measure(self) -> tuple[NodeUsage, Tallies]:
        """Say what is used, and how often things have happened."""
        with errors():
            response = await self._stub.Statistics(pb.StatisticsRequest())
        return usage_from_message(response.statistics), tallies_from_message(response)
