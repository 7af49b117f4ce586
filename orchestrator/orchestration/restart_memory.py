"""What outlives an orchestrator of the back-off between restarts.

Owns the way of the records to the store and back, several at once, and their times: those of the
loop's clock here, of the wall's there.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.store.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.store.store import Store


class RestartMemory:
    """The records of restarts, by pod."""

    def __init__(self, store: Store, saving: asyncio.Lock, wall: Callable[[], float]) -> None:
        """Prepare to remember; must be called while the event loop runs.

        Args:
            store: Keeps them.
            saving: Held while something is kept.
            wall: Tells the time, in seconds since the epoch.
        """
        self._store = store
        self._saving = saving
        self._wall = wall
        self._clock = asyncio.get_running_loop().time
        self._changed: dict[str, RestartRecord | None] = {}
        self._is_keeping = False
        """Whether `keep` is called soon."""

    def load(self) -> dict[str, RestartRecord]:
        """Remember what the orchestrator before us kept."""
        offset = self._clock() - self._wall()
        loaded = self._store.load_restarts()
        moved = {pod: _moved(record, offset) for pod, record in loaded.items()}
        return {pod: record for pod, record in moved.items() if record is not None}

    def take(self, pod: str, record: RestartRecord | None) -> bool:
        """Take note of a record; return whether `keep` has to be called soon."""
        is_first, self._is_keeping = not self._is_keeping, True
        self._changed[pod] = record
        return is_first

    async def keep(self) -> None:
        """Keep what changed.

        Raises:
            StoreError: it cannot be kept; it is tried again with the next change.
        """
        changed, self._changed, self._is_keeping = self._changed, {}, False
        offset = self._wall() - self._clock()
        records = {pod: _moved(record, offset) for pod, record in changed.items()}
        try:
            async with self._saving:
                await asyncio.to_thread(self._store.save_restarts, records)
        except StoreError:
            self._changed = changed | self._changed
            raise

    async def forget(self) -> None:
        """Forget all: the deployment has ended."""
        await asyncio.to_thread(self._store.forget_restarts)


def _moved(record: RestartRecord | None, offset_s: float) -> RestartRecord | None:
    """A record with its time on another clock."""
    if record is None or record.due_at is None:
        return record
    return replace(record, due_at=record.due_at + offset_s)
