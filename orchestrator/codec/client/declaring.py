"""What is to run in a deployment: each call is answered with progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.codec.calls import cancelled
from orchestrator.codec.progress import read_progress, source_to_message
from orchestrator.codec.times import US
from orchestrator.views.deployment import AS_IT_IS
from protos.orchestrator.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Mapping,
        Sequence,
    )

    from orchestrator.topology.source import TopologySource
    from orchestrator.views.deployment import ApplyOrder
    from orchestrator.views.progress import Progress
from orchestrator.codec.client.connecting import errors
from orchestrator.codec.client.describing import DescribingClient


class DeclaringClient(DescribingClient):
    """Says what is to run."""

    def apply(
        self,
        source: TopologySource,
        order: ApplyOrder = AS_IT_IS,
        *,
        dry_run: bool = False,
    ) -> AsyncGenerator[Progress, None]:
        """Make the deployment what a topology says.

        Args:
            source: The topology.
            order: How.
            dry_run: Only say what would be done.
        """
        request = pb.ApplyRequest(
            source=source_to_message(source),
            dry_run=dry_run,
            force_recreate=order.force_recreate,
            services=order.services,
            replicas=dict(order.replicas),
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
    with errors(), cancelled(begun):
        async for carrier in begun:
            yield read_progress(carrier.progress)


def _grace_to_us(grace_s: float | None) -> int | None:
    return None if grace_s is None else round(grace_s * US)
