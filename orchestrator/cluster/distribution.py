"""An image on many machines, fetched and compiled on one of them.

Owns who prepares an image by itself and who gets it from others. One machine leads; what it has
then goes to all that lack it. Machines whose processors or engines differ cannot use its compiled
module: the first of their kind gets the module and compiles it, and gives that to its likes. Who
cannot lead, because it reaches no source, gets it from one that can; who cannot take what others
have uses its own sources. Nodes that share a cache count as one. How a part is carried is
`carrying.py`'s business.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.cluster.carrying import PATIENCE_S, Carrier, carry
from orchestrator.codec import NodeRefusedError
from orchestrator.errors import OrchestratorError
from pod_node.errors import PodNodeError
from pod_node.images import PartKind
from pod_node.progress import Phase, Progress

if TYPE_CHECKING:
    from orchestrator.cluster.member import Member
    from pod_node.images import Part, Stock

LEADERS_MOST = 3
"""Machines that may fail to prepare an image before all try at once."""
ROUNDS = 2
"""Of an image that is built, the other parts are known only once the build is there."""
_ORDER = tuple(PartKind)

Prepare = Callable[["Sequence[Member]", str], AsyncGenerator[Progress, None]]
"""Has nodes prepare an image by themselves, all at once."""


class Distribution:
    """Brings images to nodes."""

    def __init__(self, prepare: Prepare, notice: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            prepare: Has nodes prepare an image by themselves.
            notice: Takes lines for whoever watches.
        """
        self._prepare = prepare
        self._notice = notice
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def bring(
        self, targets: Sequence[Member], everybody: Sequence[Member], image: str
    ) -> AsyncGenerator[Progress, None]:
        """Bring an image to nodes, step by step; the last step is told when all have it.

        Args:
            targets: The nodes.
            everybody: Those that may have it.
            image: The image.

        Raises:
            NodeRefusedError: one of them cannot have it.
        """
        async with self._turns[image]:
            if len(everybody) > 1:
                round_ = _Round(self._prepare, self._notice, everybody, image)
                async with aclosing(round_.run(targets)) as steps:
                    async for step in steps:
                        yield step
            async with aclosing(self._prepare(targets, image)) as steps:
                async for step in steps:
                    yield step


class _Round:
    """One image on its way to those that lack it."""

    def __init__(
        self,
        prepare: Prepare,
        notice: Callable[[str], None],
        everybody: Sequence[Member],
        image: str,
    ) -> None:
        self._prepare = prepare
        self._notice = notice
        self._image = image
        self._carriers = {m.name: m.carrier for m in everybody if m.carrier is not None}
        self._stocks: dict[str, Stock] = {}
        self._left_alone: set[str] = set()
        """Nodes that could not take what others have."""
        self._began_at = asyncio.get_running_loop().time()

    async def run(self, targets: Sequence[Member]) -> AsyncGenerator[Progress, None]:
        """Have every cache get the image, but for those that have to be left to themselves."""
        await self._survey(self._carriers)
        failures = 0
        tried: set[str] = set()
        while pending := self._pending(targets):
            async with aclosing(self._share([member.name for member in pending])) as shared:
                async for step in shared:
                    yield step
            leader = next((m for m in self._pending(targets) if m.name not in tried), None)
            if leader is None or failures >= LEADERS_MOST:
                return
            tried.add(leader.name)
            try:
                async with aclosing(self._prepare([leader], self._image)) as steps:
                    async for step in steps:
                        if step.phase is not Phase.READY:
                            yield step
            except NodeRefusedError:
                failures += 1  # it is told when nobody else can give it the image
            await self._survey([leader.name])

    def _pending(self, targets: Sequence[Member]) -> list[Member]:
        """One node for each cache that lacks something; the orchestrator's own machine leads."""
        caches: dict[str, Member] = {}
        for member in sorted(targets, key=lambda each: not each.settings.is_here):
            stock = self._stocks.get(member.name)
            if stock is not None and not stock.is_complete and member.name not in self._left_alone:
                caches.setdefault(stock.cache, member)
        return list(caches.values())

    async def _survey(self, names: Sequence[str] | dict[str, Carrier]) -> None:
        """Ask machines what they have; those that do not answer take part no more."""

        async def ask(name: str) -> None:
            self._stocks.pop(name, None)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    self._stocks[name] = await self._carriers[name].stock(self._image)
            except (OrchestratorError, PodNodeError, TimeoutError):
                return  # whatever is wrong, its node says it better

        await asyncio.gather(*map(ask, names))

    async def _share(self, names: Sequence[str]) -> AsyncGenerator[Progress, None]:
        """Bring to some machines what any has that they lack."""
        for _ in range(ROUNDS):
            wanted: dict[Part, list[str]] = {}
            for name in names:
                for part in self._stocks[name].lacks if name in self._stocks else ():
                    wanted.setdefault(part, []).append(name)
            was_shared = False
            for part in sorted(wanted, key=lambda each: _ORDER.index(each.kind)):
                takers = [name for name in wanted[part] if self._has_use_for(name, part)]
                source = next((n for n, s in self._stocks.items() if part in s.has), None)
                if source is None or not takers:
                    continue
                was_shared = True
                async with aclosing(self._carry(part, source, takers)) as steps:
                    async for step in steps:
                        yield step
                await self._survey(takers)
            if not was_shared:
                return

    def _has_use_for(self, name: str, part: Part) -> bool:
        """A module is only for whoever has to compile it."""
        stock = self._stocks.get(name)
        if stock is None or name in self._left_alone or part in stock.has:
            return False
        return part.kind is not PartKind.MODULE or not stock.is_compiled

    async def _carry(
        self, part: Part, source: str, takers: Sequence[str]
    ) -> AsyncGenerator[Progress, None]:
        told: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()

        async def work() -> None:
            ends = [self._carriers[name] for name in takers]
            try:
                failed = await carry(part, self._carriers[source], ends, told.put)
                for number, error in failed.items():
                    self._leave_alone(takers[number], source, error)
            except (OrchestratorError, PodNodeError) as error:
                for name in takers:
                    self._leave_alone(name, source, error)
            finally:
                told.put_nowait(None)

        async with asyncio.TaskGroup() as group:
            working = group.create_task(work(), name=f"{part} from {source}")
            try:
                while (progress := await told.get()) is not None:
                    yield self._step(source, *progress)
            finally:
                working.cancel()

    def _leave_alone(self, name: str, source: str, error: Exception) -> None:
        self._left_alone.add(name)
        self._notice(
            f"node {name} did not get image {self._image} from node {source}: {error}; "
            "it uses its own sources"
        )

    def _step(self, source: str, done_bytes: int, total_bytes: int) -> Progress:
        return Progress(
            image=self._image,
            phase=Phase.RECEIVING,
            done_bytes=done_bytes,
            total_bytes=total_bytes,
            elapsed_s=asyncio.get_running_loop().time() - self._began_at,
            source=f"node {source}",
        )
