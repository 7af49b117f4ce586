"""Parts of images from one machine to others.

Owns the pieces that are under way at once, and what becomes of a machine that does not take one.
What carries a piece is a backend's business: a `Carrier` names it by whatever it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from orchestrator.errors import OrchestratorError
from pod_node.errors import PodNodeError
from pod_node.images import PIECE_BYTES

if TYPE_CHECKING:
    from pod_node.images import Offer, Part, Stock

PIECES_AT_ONCE = 4
"""Pieces that are read and not yet taken by all: so much is held on each machine."""
PATIENCE_S = 30.0
"""How long a machine may be silent; a piece takes a fraction of a second."""
OnBytes = Callable[[tuple[int, int]], Awaitable[None]]
"""Told how many bytes all have, and how many there are."""
_T = TypeVar("_T")


class Carrier(Protocol):
    """A machine's way to give parts and to take them."""

    async def stock(self, image: str) -> Stock:
        """Say what the machine has of an image, and what it lacks."""

    async def offer(self, part: Part) -> Offer:
        """Open a part for reading, until `close`."""

    def read(self, part: Part, offset: int) -> object:
        """Name a piece, which is held as long as somebody has its name."""

    async def close(self, part: Part) -> None:
        """Let go of a part."""

    async def begin(self, offer: Offer) -> bool:
        """Make ready for a part; whether it is wanted."""

    async def write(self, part: Part, offset: int, piece: object) -> None:
        """Take a piece by its name."""

    async def finish(self, part: Part) -> None:
        """Make sure of a part, and keep it."""

    async def abandon(self, part: Part) -> None:
        """Throw away what has come of a part."""


class CarryingError(OrchestratorError):
    """A part did not get from one machine to another."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(part, reason)
        self.part, self.reason = part, reason

    def __str__(self) -> str:
        return f"{self.part}: {self.reason}"


async def carry(
    part: Part,
    source: Carrier,
    takers: Sequence[Carrier],
    on_bytes: OnBytes,
) -> dict[int, OrchestratorError | PodNodeError]:
    """Bring a part to some machines, which get each piece at the same time.

    Args:
        part: What.
        source: Who has it.
        takers: Who is to have it.
        on_bytes: Told how far it is.

    Returns:
        What went wrong, by the taker's place.

    Raises:
        OrchestratorError, PodNodeError: the source does not give it.
    """
    offer = await _within(part, source.offer(part))
    consignment = _Consignment(offer, takers)
    try:
        await consignment.run(source, on_bytes)
    finally:
        await _let_go(part, source, consignment.unfinished)
    return consignment.failed


class _Consignment:
    """A part on its way."""

    def __init__(self, offer: Offer, takers: Sequence[Carrier]) -> None:
        self.failed: dict[int, OrchestratorError | PodNodeError] = {}
        self._offer = offer
        self._takers = takers
        self._taking: set[int] = set()

    @property
    def unfinished(self) -> list[Carrier]:
        """Takers that have a beginning of it."""
        return [self._takers[number] for number in sorted(self._taking)]

    async def run(self, source: Carrier, on_bytes: OnBytes) -> None:
        """Bring all pieces to all who take them."""
        part, size = self._offer.part, self._offer.size_bytes
        await asyncio.gather(*map(self._begin, range(len(self._takers))))
        step = PIECE_BYTES * PIECES_AT_ONCE
        for first in range(0, size, step):
            if self._active:
                offsets = range(first, min(first + step, size), PIECE_BYTES)
                pieces = {offset: source.read(part, offset) for offset in offsets}
                await asyncio.gather(*(self._write(number, pieces) for number in self._active))
                await on_bytes((min(first + step, size), size))
        await asyncio.gather(*map(self._finish, self._active))

    @property
    def _active(self) -> list[int]:
        return [number for number in sorted(self._taking) if number not in self.failed]

    async def _begin(self, number: int) -> None:
        if await self._attempt(number, self._takers[number].begin(self._offer)):
            self._taking.add(number)

    async def _write(self, number: int, pieces: Mapping[int, object]) -> None:
        part, taker = self._offer.part, self._takers[number]
        writes = [taker.write(part, offset, piece) for offset, piece in pieces.items()]
        await asyncio.gather(*(self._attempt(number, write) for write in writes))

    async def _finish(self, number: int) -> None:
        await self._attempt(number, self._takers[number].finish(self._offer.part))
        self._taking.discard(number)

    async def _attempt(self, number: int, work: Awaitable[_T]) -> _T | None:
        """Have one taker do something; whoever fails is left out from then on."""
        try:
            return await _within(self._offer.part, work)
        except (OrchestratorError, PodNodeError) as error:
            self.failed[number] = error
            return None


async def _let_go(part: Part, source: Carrier, broken: Iterable[Carrier]) -> None:
    """Leave nothing open at either end, as far as they answer."""
    ends = [source.close(part), *(taker.abandon(part) for taker in broken)]
    await asyncio.gather(*(_within(part, end) for end in ends), return_exceptions=True)


async def _within(part: Part, work: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await work
    except TimeoutError as error:
        raise CarryingError(str(part), f"no answer in {PATIENCE_S:.0f} s") from error
