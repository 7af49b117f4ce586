"""The engine's epoch, at whose changes guests that compute are asked whether they may go on.

A guest without a share of its own is asked every `FAR_TICKS` only, which is for a kill or a pause:
these raise the epoch by as many at once. One with a share is asked at each tick. There are ticks
only while such a guest lives, and few while all of them rest. Runs on the event loop's thread,
except `stir`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    import wasmtime

FAR_TICKS = 64
"""Two thirds of a second of ticks: asking costs 20 µs, and raising the epoch so far as much."""
TICK_S = 0.01
"""How far a guest may overdraw its share: what a scheduler's tick is on many systems."""
REST_TICK_S = 0.1
QUIET_TICKS = 10
"""Ticks at which nobody was asked before they become rare: a period of the shares."""


class Epoch:
    """Raises the epoch."""

    def __init__(self, engine: wasmtime.Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._watchers = 0
        self._stirred = False
        self._quiet = 0
        self._timer: asyncio.TimerHandle | None = None

    def ask_all(self) -> None:
        """Have every guest asked that computes."""
        for _ in range(FAR_TICKS):
            self._engine.increment_epoch()

    def begin_ticks(self) -> None:
        """Tick, until `end_ticks` was called as often."""
        self._watchers += 1
        self.hurry()

    def end_ticks(self) -> None:
        """Take one call of `begin_ticks` back."""
        self._watchers -= 1
        if not self._watchers:
            self._cancel()

    def stir(self) -> None:
        """Note that somebody was asked; on any thread."""
        self._stirred = True

    def hurry(self) -> None:
        """Tick often from now on: somebody begins to compute."""
        if self._watchers and (self._timer is None or self._quiet >= QUIET_TICKS):
            self._cancel()
            self._quiet = 0
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._engine.increment_epoch()
        self._quiet = 0 if self._stirred else self._quiet + 1
        self._stirred = False
        delay = TICK_S if self._quiet < QUIET_TICKS else REST_TICK_S
        self._timer = self._loop.call_later(delay, self._tick)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
