"""What the nodes of a fleet tell and send, as one stream each.

Owns the order in which watching begins (all that is there, then `Synced`, then changes), and leaves
out what a node says of pods that belong to another one by now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from orchestrator.backends.nodes import PodsDisplaced
from orchestrator.cluster.merging import Tap, merge_sorted
from orchestrator.cluster.ordering import PacketOrder
from orchestrator.codec import NodeRefusedError
from pod_node.health import Health
from pod_node.progress import Phase, Progress
from pod_node.status import (
    NodeEvent,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    Synced,
)
from vnet.capture import CaptureBatch
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cluster.member import Member
    from orchestrator.errors import OrchestratorError
    from pod_node.records import LogLines
    from vnet.capture import CaptureWish

_T = TypeVar("_T")
_Told = NodeEvent | PodsDisplaced
_Lines: TypeAlias = "tuple[LogLines, int]"


class Streams:
    """Streams of all nodes."""

    def __init__(
        self, owner: Callable[[str], str | None], is_checked: Callable[[str], bool]
    ) -> None:
        """Prepare.

        Args:
            owner: Says to which node a pod belongs.
            is_checked: Says whether a pod has a health check.
        """
        self._tasks = TaskOwner()
        self._owner = owner
        self._watchers: list[Tap[_Told]] = []
        self._endless: list[Tap[_Lines]] = []
        self._taps: list[Tap[CaptureBatch]] = []
        self._images: dict[str, set[str]] = {}
        self._expected: dict[str, asyncio.Event] = {}
        self._ignored: set[str] = set()
        self._is_checked = is_checked

    def prepared(self, member: Member) -> set[str]:
        """The images that a node has."""
        return self._images.setdefault(member.name, set())

    async def join(self, member: Member) -> None:
        """Read one more node."""
        self._images[member.name] = set()
        for watcher in self._watchers:
            watcher.add(member)
        for logs in self._endless:
            logs.add(member)

    def leave(self, member: Member) -> None:
        """Read a node no more."""
        self._images.pop(member.name, None)
        for watcher in self._watchers:
            watcher.drop(member)
        for logs in self._endless:
            logs.drop(member)
        for tap in self._taps:
            tap.drop(member)

    async def fail(self, error: OrchestratorError) -> None:
        """End watching with an error."""
        for watcher in self._watchers:
            await watcher.put(error)

    async def close(self) -> None:
        """End all streams."""
        await self._tasks.cancel_all()

    async def tell(self, displaced: PodsDisplaced) -> None:
        """Tell watchers what no node tells."""
        for watcher in self._watchers:
            await watcher.put(displaced)

    @contextmanager
    def expecting(self, pod: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when a pod is ready, as far as that can be told."""
        ready = self._expected[pod] = asyncio.Event()
        try:
            yield ready
        finally:
            del self._expected[pod]

    @contextmanager
    def ignoring(self, pod: str) -> Iterator[None]:
        """Leave out what is told of a pod."""
        self._ignored.add(pod)
        try:
            yield
        finally:
            self._ignored.discard(pod)

    def _note(self, event: NodeEvent) -> None:
        match event.happening:
            case PodHealthChanged(pod=pod, health=Health.HEALTHY) if pod in self._expected:
                self._expected[pod].set()
            case PodStateChanged(pod=pod, state=PodState.RUNNING) if pod in self._expected:
                if not self._is_checked(pod):
                    self._expected[pod].set()
            case _:
                pass

    async def watch(self, members: Sequence[Member]) -> AsyncGenerator[_Told, None]:
        """Report every pod as it stands, then each change."""
        tap: Tap[_Told] = Tap(self._tasks, lambda member, _: member.client.watch(), ends=False)
        self._watchers.append(tap)
        unsynced = {member.name for member in members}
        for member in members:
            tap.add(member)
        is_synced = False
        try:
            async with aclosing(tap.items()) as items:
                async for source, told in items:
                    if isinstance(told, PodsDisplaced) or source is None:
                        yield told
                        continue
                    if isinstance(told.happening, Synced):
                        unsynced.discard(source.name)
                        if not unsynced and not is_synced:
                            is_synced = True
                            yield told
                    elif self._is_true(source, told):
                        self._note(told)
                        yield told
        finally:
            self._watchers.remove(tap)
            tap.close()

    def _is_true(self, member: Member, event: NodeEvent) -> bool:
        """Whether a node has a say in what it says."""
        match event.happening:
            case PodExisting(status=status):
                pod = status.spec.name
            case PodStateChanged() | PodHealthChanged() | PodPauseChanged() as told:
                pod = told.pod
            case PodDiskFull() | PodExited() as told:
                pod = told.pod
            case _:
                return True
        return self._owner(pod) == member.name and pod not in self._ignored

    async def logs(
        self,
        members: Sequence[Member],
        read: Callable[[Member, _Lines | None], AsyncGenerator[_Lines, None]],
        *,
        follow: bool,
    ) -> AsyncGenerator[_Lines, None]:
        """Read logs of all nodes: what is kept in the order of time, what is new as it comes.

        Args:
            members: The nodes that there are.
            read: Reads the logs of one, from after what came last.
            follow: Whether to go on with what is new.
        """
        if not follow:
            async with AsyncExitStack() as stack:
                streams = [
                    await stack.enter_async_context(aclosing(read(member, None)))
                    for member in members
                ]
                async for chunk in merge_sorted(streams, lambda chunk: chunk[0].time_s):
                    yield chunk
            return
        tap = Tap(self._tasks, read, ends=False)
        self._endless.append(tap)
        for member in members:
            tap.add(member)
        try:
            async with aclosing(tap.items()) as items:
                async for _, chunk in items:
                    yield chunk
        finally:
            self._endless.remove(tap)
            tap.close()

    async def capture(
        self, members: Sequence[Member], wish: CaptureWish
    ) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place on any of these nodes, by their times."""
        tap: Tap[CaptureBatch] = Tap(
            self._tasks, lambda member, _: member.client.capture(wish), ends=True
        )
        self._taps.append(tap)
        for member in members:
            tap.add(member)
        left = wish.count or None
        batches = _in_order(tap) if len(members) > 1 else _as_they_come(tap)
        try:
            async with aclosing(batches):
                async for batch in batches:
                    if left is None:
                        yield batch
                        continue
                    yield replace(batch, packets=batch.packets[:left])
                    left -= len(batch.packets)
                    if left <= 0:
                        return
        finally:
            self._taps.remove(tap)
            tap.close()

    async def prepare(
        self, members: Sequence[Member], image: str
    ) -> AsyncGenerator[Progress, None]:
        """Bring an image to some nodes; the last step is told when all have it.

        Raises:
            NodeRefusedError: one of them cannot have it.
        """
        if not members:
            raise NodeRefusedError("there is no node to bring the image to")
        tap: Tap[Progress] = Tap(
            self._tasks, lambda member, _: member.client.prepare_image(image), ends=True
        )
        for member in members:
            tap.add(member)
        last: Progress | None = None
        try:
            async with aclosing(tap.items()) as items:
                async for source, step in items:
                    if step.phase is not Phase.READY:
                        yield step
                        continue
                    last = step
                    if source is not None:
                        self.prepared(source).add(image)
        finally:
            tap.close()
        if last is not None:
            yield last


async def _as_they_come(tap: Tap[CaptureBatch]) -> AsyncGenerator[CaptureBatch, None]:
    async with aclosing(tap.items()) as items:
        async for _, batch in items:
            yield batch


async def _in_order(tap: Tap[CaptureBatch]) -> AsyncGenerator[CaptureBatch, None]:
    """Merge what several nodes tell."""
    clock = asyncio.get_running_loop().time
    order = PacketOrder()
    async with aclosing(_as_they_come(tap)) as batches:
        coming = asyncio.ensure_future(anext(batches, None))  # noqa: TID251 - waited for here
        try:
            while True:
                due = order.poll_at()
                wait_s = None if due is None else max(0.0, due - clock())
                await asyncio.wait({coming}, timeout=wait_s)
                lost = 0
                if coming.done():
                    batch = coming.result()
                    if batch is None:
                        break
                    order.put(batch.packets, clock())
                    lost = batch.lost
                    coming = asyncio.ensure_future(anext(batches, None))  # noqa: TID251
                packets = order.take(clock())
                if packets or lost:
                    yield CaptureBatch(packets=packets, lost=lost)
        finally:
            coming.cancel()
            await asyncio.wait({coming})
    if rest := order.take_all():
        yield CaptureBatch(packets=rest)
