"""What a running deployment has to tell: logs, events, packets, counters."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.views.deployment import (
    CaptureOrder,
    EventOrder,
    LinkAim,
    LogOrder,
    PodAim,
)
from podnet.errors import translated
from podnet.records import epoch_seconds, event_of, lines_of, seconds
from vnet.ping import PingPlan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from pod_node.usage import NodeUsage
    from podnet.records import Duration, Event, LogLine, Moment
    from vnet.capture import CapturedPacket
    from vnet.ping import NumberedEcho
    from vnet.statistics import NetworkStatistics
from podnet.following import Followed


class Looking(Followed):
    """A deployment that is looked into; each method is one call to it."""

    async def logs(
        self,
        *targets: str,
        follow: bool = False,
        tail: int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Read what services or pods wrote, or all, in the order of time.

        Args:
            targets: Services and pods; none means all.
            follow: Go on with what is written.
            tail: How many of each pod's last lines to begin with; None means all.
            since: Leave out earlier lines; None is the start of the deployment.
            until: Leave out later lines.
        """
        order = LogOrder(
            targets=targets,
            follow=follow,
            tail=tail,
            since_s=epoch_seconds(since),
            until_s=epoch_seconds(until),
        )
        with translated():
            async with aclosing(self._client.logs(order)) as chunks:
                async for group, _ in chunks:
                    for line in lines_of(group):
                        yield line

    async def events(
        self,
        *members: str,
        types: Iterable[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
        initial_state: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Report what happens, to everybody or to some services and pods.

        Args:
            members: Services and pods; none means all.
            types: For example `pod`; none means all.
            since: Begin with what has happened since then; None begins with the next event.
            until: End then; None goes on.
            initial_state: Begin with everything as it stands.
        """
        order = EventOrder(
            since_s=epoch_seconds(since),
            until_s=epoch_seconds(until),
            initial_state=initial_state,
            types=frozenset(types),
            members=frozenset(members),
        )
        with translated():
            async with aclosing(self._client.events(order)) as events:
                async for event in events:
                    yield event_of(event)

    async def capture(
        self,
        first: str,
        second: str | None = None,
        *,
        filter: str = "",
        network: str | None = None,
        count: int = 0,
        snapshot_bytes: int = 0,
    ) -> AsyncGenerator[CapturedPacket, None]:
        """Report packets as they pass a pod, or the link between two.

        Args:
            first: A pod, or one end of a link.
            second: The other end.
            filter: An expression of pcap-filter(7) that may name pods and services.
            network: Where the pod, or the two, have several.
            count: How many; 0 goes on.
            snapshot_bytes: Kept of each packet; 0 keeps all.
        """
        aim: PodAim | LinkAim = PodAim(pod=first, network=network)
        if second is not None:
            aim = LinkAim(first=first, second=second, network=network)
        order = CaptureOrder(aim=aim, filter=filter, snapshot_bytes=snapshot_bytes, count=count)
        with translated():
            async with aclosing(self._client.capture(order)) as batches:
                async for batch in batches:
                    for packet in batch.packets:
                        yield packet

    async def ping(
        self,
        source: str,
        target: str,
        *,
        count: int = 1,
        interval: Duration = 0.1,
        timeout: Duration = 4.0,  # noqa: ASYNC109 - part of the interface
    ) -> list[NumberedEcho]:
        """Send echo requests from a pod to another and say what became of each."""
        from vnet.ping import NumberedEcho

        plan = PingPlan(count=count, interval_s=seconds(interval), timeout_s=seconds(timeout))
        with translated():
            steps = [step async for step in self._client.ping(source, target, plan)]
        return [step for step in steps if isinstance(step, NumberedEcho)]

    async def statistics(self) -> NodeUsage:
        """Say what the node and its pods use."""
        with translated():
            return await self._client.statistics()

    async def node_process_id(self) -> int:
        """Say which process of its machine is the node, to see what happens without it."""
        with translated():
            return (await self._client.describe()).node_process_id

    async def network_statistics(self, *, flows: bool = False) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        with translated():
            return await self._client.network_statistics(flows=flows)
