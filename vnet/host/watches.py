"""One-shot watches on descriptors, delivered as callbacks on the event loop.

The doorbell thread hands over batches of tokens; a token is `descriptor << 1 | writing`. A token
may be stale (its descriptor closed, its number reused), so callbacks look again and take a
readiness only as a hint. One that fails does not keep the others from running.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from vnet.host.switch import Switch


class Event(Enum):
    """What a watch waits for."""

    READ = 0
    WRITE = 1


class Watches:
    """The callbacks that wait for a fabric's descriptors; used on the event loop's thread."""

    def __init__(self, switch: Switch, loop: asyncio.AbstractEventLoop) -> None:
        self._switch = switch
        self._loop = loop
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, event: Event, callback: Callable[[], None]) -> None:
        """Call `callback` once, soon after readiness; a second watch replaces the first.

        Raises:
            OSError: the descriptor is closed, or the fabric is full.
        """
        token = descriptor << 1 | event.value
        ready = self._switch.watch(descriptor, writing=event is Event.WRITE)
        self._note(token, callback, ready=ready)

    def watch_hangup(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call `callback` once, soon after a reset; in the place of a watch for reading.

        Raises:
            OSError: the descriptor is closed, or the fabric is full.
        """
        ready = self._switch.watch_hangup(descriptor)
        self._note(descriptor << 1 | Event.READ.value, callback, ready=ready)

    def _note(self, token: int, callback: Callable[[], None], *, ready: bool) -> None:
        self._callbacks[token] = callback
        if ready:
            self._loop.call_soon(self._fire, token)

    def forget(self, descriptor: int) -> None:
        """Drop the callbacks of a descriptor that is about to be closed."""
        for event in Event:
            self._callbacks.pop(descriptor << 1 | event.value, None)

    def deliver(self, tokens: Sequence[int]) -> None:
        """Run the callbacks of a batch of tokens, in a turn of the event loop that is theirs."""
        for token in tokens:
            try:
                self._fire(token)
            except Exception as error:  # noqa: BLE001 - as the loop does with its own callbacks
                self._loop.call_exception_handler(
                    {"message": f"a watch has failed (token {token})", "exception": error}
                )

    def _fire(self, token: int) -> None:
        callback = self._callbacks.pop(token, None)
        if callback is not None:
            callback()
