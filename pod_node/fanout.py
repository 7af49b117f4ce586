"""One stream of values for many readers, each with a bounded queue of its own.

Owns the fan-out of events and log lines to whoever watches. A reader that is too slow loses the
oldest values and can see how many; it never makes the writer wait and never makes memory grow.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

T = TypeVar("T")


class Subscription(Generic[T]):
    """One reader's queue; iterate over it until the fan-out closes."""

    def __init__(self, capacity: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._queue: deque[T] = deque()
        self._capacity = capacity
        self._weigh = weigh
        self._ready = asyncio.Event()
        self._closed = False
        self.lost = 0
        """Weight of the values dropped because this reader was behind; the reader may reset it."""

    def put_nowait(self, value: T) -> None:
        """Queue a value, at the cost of the oldest one when the queue is full."""
        if len(self._queue) == self._capacity:
            self.lost += self._weigh(self._queue.popleft())
        self._queue.append(value)
        self._ready.set()

    def close(self) -> None:
        """End the iteration after the values that are queued."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()


class Fanout(Generic[T]):
    """Hands each published value to every subscription."""

    def __init__(self, capacity: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        """Begin without readers.

        Args:
            capacity: How many values may wait for each.
            weigh: Says how much is lost with a value.
        """
        self._capacity = capacity
        self._weigh = weigh
        self._subscriptions: dict[int, Subscription[T]] = {}

    def publish(self, value: T) -> None:
        """Queue a value for every reader."""
        for subscription in self._subscriptions.values():
            subscription.put_nowait(value)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription[T]]:
        """Take part from now on, until the block ends."""
        subscription: Subscription[T] = Subscription(self._capacity, self._weigh)
        self._subscriptions[id(subscription)] = subscription
        try:
            yield subscription
        finally:
            del self._subscriptions[id(subscription)]

    def close(self) -> None:
        """End every reader's iteration."""
        for subscription in self._subscriptions.values():
            subscription.close()

    def __len__(self) -> int:
        return len(self._subscriptions)
