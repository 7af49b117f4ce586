"""Packets of several nodes in the order of their times.

Each node tells of a packet as soon as it has passed, and says nothing while none passes; so nobody
can wait until all have told of a moment. A packet is held for a while instead, in which whatever
passed before it elsewhere comes in, and goes on behind that. What comes later still is out of
order, as it would be from machines whose clocks differ by more. Pure.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnet.capture import CapturedPacket

HOLD_S = 0.1
"""Nodes of one machine or one network tell within milliseconds; no person notices a tenth."""


class PacketOrder:
    """Holds packets until it is their turn."""

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._held: list[tuple[int, int, CapturedPacket]] = []
        self._turns: deque[tuple[float, int]] = deque()
        """Until when those that came together are held, and the latest time among them."""
        self._count = 0

    def put(self, packets: Iterable[CapturedPacket], now: float) -> None:
        """Hold what a node has told."""
        latest = -1
        for packet in packets:
            self._count += 1
            heapq.heappush(self._held, (packet.time_ns, self._count, packet))
            latest = max(latest, packet.time_ns)
        if latest >= 0:
            self._turns.append((now + self._hold_s, latest))

    def poll_at(self) -> float | None:
        """When the next packets are to be taken; None while none are held."""
        return self._turns[0][0] if self._turns else None

    def take(self, now: float) -> tuple[CapturedPacket, ...]:
        """Take those that were held for long enough, and all that passed before them."""
        until = -1
        while self._turns and self._turns[0][0] <= now:
            until = max(until, self._turns.popleft()[1])
        return self._take(until)

    def take_all(self) -> tuple[CapturedPacket, ...]:
        """Take the rest: there will be no more."""
        self._turns.clear()
        return tuple(heapq.heappop(self._held)[2] for _ in range(len(self._held)))

    def _take(self, until: int) -> tuple[CapturedPacket, ...]:
        taken = []
        while self._held and self._held[0][0] <= until:
            taken.append(heapq.heappop(self._held)[2])
        return tuple(taken)
