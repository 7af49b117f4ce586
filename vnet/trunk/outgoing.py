"""The batches that a stream sends, one after the other.

Owns the one write that is under way. Whatever becomes ready meanwhile goes with the next batch;
when nothing is under way, a batch goes at once: its write begins in the turn of the event loop in
which there is something to say. A task would begin it in the next turn, and between two turns is a
system call; pods that ask and answer each other would wait for it twice each time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from vnet.trunk import codec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from protos.vnet.v1 import trunk_pb2 as pb
    from vnet.trunk.carrier import Carrier


class Writer(Protocol):
    """The half of a call that sends."""

    def write(self, message: pb.TrunkMessage) -> Awaitable[None]:
        """Send a message."""


class Outgoing:
    """What one stream sends; nothing before `open`."""

    def __init__(self, wire: Writer, carrier: Carrier) -> None:
        self._wire = wire
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._writing: Generator[Any, Any, None] | None = None
        self._is_open = self._is_due = False

    def open(self) -> None:
        """Begin to send."""
        self._is_open = True
        self.wake()

    def wake(self) -> None:
        """Send soon, together with what else becomes ready in this turn of the loop."""
        if self._is_open and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self._send()

    def take(self, message: pb.TrunkMessage) -> None:
        """Have the carrier take a batch, and send what it has to say to that.

        Raises:
            InvalidMessageError: It is none.
            ProtocolError: The other node may not say this.
        """
        self._is_due = True  # a wake has nothing to add
        try:
            self._carrier.receive(codec.batch_from_message(message))
        finally:
            self._is_due = False
        self._send()

    def _send(self) -> None:
        """Send what there is, unless a batch is being written."""
        try:
            while self._is_open and self._writing is None:
                batch = self._carrier.gather()
                if batch is None:
                    return
                self._writing = self._wire.write(codec.batch_to_message(batch)).__await__()
                self._go_on()
                self._carrier.watch_again()
        except Exception as error:  # noqa: BLE001 - whoever waits for a failure gets it
            self._fail(error)

    def _go_on(self) -> None:
        """Go on with a write, as far as it goes; what a task does with its coroutine."""
        if self._writing is None:
            return
        try:
            waited = self._writing.send(None)
        except StopIteration:
            self._writing = None
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as in `_send`
            self._fail(error)
        else:
            waited.add_done_callback(self._written)

    def _written(self, _: object) -> None:
        self._go_on()
        self._send()

    def _fail(self, error: BaseException) -> None:
        self._is_open, self._writing = False, None
        if not self._failed.done():
            if isinstance(error, asyncio.CancelledError):
                self._failed.cancel()
            else:
                self._failed.set_exception(error)

    async def wait_failed(self) -> None:
        """Wait until something cannot be sent, which is then raised."""
        await self._failed

    def close(self) -> None:
        """Send no more; a write under way is given up."""
        self._is_open = False
        if self._writing is not None:
            writing, self._writing = self._writing, None
            with suppress(StopIteration, asyncio.CancelledError):
                writing.throw(asyncio.CancelledError())
        self._failed.cancel()
