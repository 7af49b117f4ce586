"""What a stream sends: one batch at a time, at once when idle, together when not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from protos.vnet.v1 import trunk_pb2 as pb
from tests.support.lab import eventually
from vnet.trunk.frames import Batch, Data
from vnet.trunk.outgoing import Outgoing

if TYPE_CHECKING:
    from vnet.trunk.carrier import Carrier


class Pile:
    """What is to be sent, as a carrier has it."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.wake: Callable[[], None] = lambda: None
        self.sent = 0
        self.watched = 0

    def put(self, data: bytes) -> None:
        self.waiting.append(data)
        self.wake()

    def gather(self) -> Batch | None:
        if not self.waiting:
            return None
        frames, self.waiting = [Data(1, data) for data in self.waiting], []
        self.sent += 1
        return Batch(self.sent, 0, [*frames])

    def watch_again(self) -> None:
        self.watched += 1

    def receive(self, batch: Batch) -> None:
        """Answer each frame."""
        for frame in batch.frames:
            assert isinstance(frame, Data)
            self.put(frame.data.upper())


class Wire:
    """Takes a message when the test lets it."""

    def __init__(self) -> None:
        self.begun: list[pb.TrunkMessage] = []
        self.cancelled = False
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def write(self, message: pb.TrunkMessage) -> None:
        self.begun.append(message)
        try:
            await self.turn
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def let_through(self) -> None:
        before, self.turn = self.turn, asyncio.get_running_loop().create_future()
        before.set_result(None)

    @property
    def batches(self) -> list[list[bytes]]:
        return [[frame.data for frame in message.batch.frames] for message in self.begun]


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def pile() -> Pile:
    return Pile()


@pytest.fixture
async def outgoing(wire: Wire, pile: Pile) -> Outgoing:
    made = Outgoing(wire, cast("Carrier", pile))
    pile.wake = made.wake
    return made


def said(*data: bytes) -> pb.TrunkMessage:
    frames = [pb.Frame(flow_id=1, data=one) for one in data]
    return pb.TrunkMessage(batch=pb.FrameBatch(sequence=1, frames=frames))


async def test_nothing_is_sent_before_the_stream_is_open(
    wire: Wire, pile: Pile, outgoing: Outgoing
) -> None:
    pile.put(b"early")
    await asyncio.sleep(0)
    assert not wire.begun
    outgoing.open()
    await asyncio.sleep(0)
    assert wire.batches == [[b"early"]]


async def test_an_answer_begins_in_the_turn_in_which_its_question_came(
    wire: Wire, pile: Pile, outgoing: Outgoing
) -> None:
    outgoing.open()
    outgoing.take(said(b"a", b"b"))
    assert wire.batches == [[b"A", b"B"]]
    assert pile.watched == 1


async def test_what_becomes_ready_while_a_batch_is_written_goes_with_the_next(
    wire: Wire, pile: Pile, outgoing: Outgoing
) -> None:
    outgoing.open()
    for data in (b"1", b"2", b"3"):
        pile.put(data)
        await asyncio.sleep(0)
    assert wire.batches == [[b"1"]]
    wire.let_through()
    await eventually(lambda: len(wire.begun) == 2)
    assert wire.batches == [[b"1"], [b"2", b"3"]]


async def test_a_write_that_fails_ends_it(wire: Wire, pile: Pile, outgoing: Outgoing) -> None:
    outgoing.open()
    pile.put(b"1")
    await asyncio.sleep(0)
    wire.turn.set_exception(ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError, match="gone"):
        await outgoing.wait_failed()
    pile.put(b"2")
    await asyncio.sleep(0)
    assert wire.batches == [[b"1"]]


async def test_who_cannot_be_asked_ends_it_too(pile: Pile, outgoing: Outgoing) -> None:
    def fail() -> None:
        raise LookupError("no flow")

    pile.gather = fail  # type: ignore[method-assign]
    outgoing.open()
    with pytest.raises(LookupError, match="no flow"):
        await outgoing.wait_failed()


async def test_closing_gives_up_the_write_under_way(
    wire: Wire, pile: Pile, outgoing: Outgoing
) -> None:
    outgoing.open()
    pile.put(b"1")
    await asyncio.sleep(0)
    outgoing.close()
    assert wire.cancelled
    wire.let_through()
    pile.put(b"2")
    await asyncio.sleep(0)
    assert wire.batches == [[b"1"]]
    with pytest.raises(asyncio.CancelledError):
        await outgoing.wait_failed()
