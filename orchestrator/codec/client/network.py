"""The network of a running deployment: changed, measured, looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.calls import cancelled
from orchestrator.codec.changes import (
    ends_to_message,
    hold_to_message,
    partition_to_message,
    reset_to_message,
    set_link_to_message,
)
from orchestrator.codec.deployment import (
    fault_from_message,
    link_from_message,
)
from orchestrator.codec.looking import (
    batch_from_message,
    order_to_message,
    ping_step_from_message,
)
from pod_node.codec import (
    plan_to_message,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.codec import statistics_from_message
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
    )

    from orchestrator.network.changes import Mend, Part, ResetLink, ResetLinks, SetLink
    from orchestrator.views.deployment import (
        CaptureOrder,
        FaultView,
        LinkView,
        PingStep,
    )
    from vnet.capture import CaptureBatch
    from vnet.ping import PingPlan
    from vnet.statistics import NetworkStatistics
from orchestrator.codec.client.connecting import errors
from orchestrator.codec.client.describing import DescribingClient


class NetworkClient(DescribingClient):
    """Changes and measures the network."""

    async def links(self) -> list[LinkView]:
        """List all links as they are now."""
        with errors():
            response = await self._stub.ShowLinks(pb.ShowLinksRequest())
        return [link_from_message(link) for link in response.links]

    async def link(self, first: str, second: str, network: str | None) -> list[LinkView]:
        """Show the link that holds between two, turned the same way around; it may be none."""
        request = pb.ShowLinksRequest(ends=ends_to_message(first, second, network))
        with errors():
            response = await self._stub.ShowLinks(request)
        return [link_from_message(link) for link in response.links]

    async def set_link(self, wanted: SetLink) -> LinkView:
        """Change a link; packets sent from now on meet it."""
        with errors():
            response = await self._stub.SetLink(set_link_to_message(wanted))
        return link_from_message(response.link)

    async def reset_links(self, wanted: ResetLink | ResetLinks) -> list[str]:
        """Take changes of links back; name the links that had any."""
        with errors():
            response = await self._stub.ResetLinks(reset_to_message(wanted))
        return list(response.names)

    async def part(self, wanted: Part) -> FaultView:
        """Begin a partition or a hold."""
        with errors():
            if wanted.kind is FaultKind.CUT:
                cut = await self._stub.Partition(partition_to_message(wanted))
                return fault_from_message(cut.fault)
            held = await self._stub.Hold(hold_to_message(wanted))
            return fault_from_message(held.fault)

    async def mend(self, wanted: Mend) -> list[str]:
        """End partitions or holds; name those that ended."""
        name = wanted.name or ""
        with errors():
            if wanted.kind is FaultKind.CUT:
                return list((await self._stub.Heal(pb.HealRequest(name=name))).names)
            return list((await self._stub.Release(pb.ReleaseRequest(name=name))).names)

    async def ping(
        self, source: str, target: str, plan: PingPlan
    ) -> AsyncGenerator[PingStep, None]:
        """Say who asks whom, then what becomes of each request."""
        request = pb.PingRequest(source=source, target=target, plan=plan_to_message(plan))
        call = self._stub.Ping(request)
        with errors(), cancelled(call):
            async for message in call:
                yield ping_step_from_message(message)

    async def capture(self, order: CaptureOrder) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass."""
        call = self._stub.Capture(order_to_message(order))
        with errors(), cancelled(call):
            async for message in call:
                yield batch_from_message(message)

    async def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        with errors():
            request = pb.NetworkStatisticsRequest(flows=flows)
            response = await self._stub.NetworkStatistics(request)
        return statistics_from_message(response.statistics)
