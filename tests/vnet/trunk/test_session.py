"""Sessions: over any wire, bytes arrive in order and whole, or both nodes know that they do not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.vnet.trunk.conversation import BUFFERS, ENDS, SMALL, Conversation, Side, Stream
from vnet.trunk.errors import ProtocolError
from vnet.trunk.flow import WINDOW_LEAST, FlowState
from vnet.trunk.frames import (
    UDP,
    Accepted,
    Answered,
    Asked,
    Batch,
    Data,
    Finished,
    Frame,
    Opened,
    Packet,
    Reason,
    Reset,
    Window,
)
from vnet.trunk.session import (
    ACKNOWLEDGE_BATCHES,
    ARRIVING_MOST,
    BATCH_FRAMES,
    PACKETS_MOST_BYTES,
    UNACKNOWLEDGED_MOST,
    Arrived,
    Position,
    Session,
)

PACKET = Packet(UDP, ENDS, b"datagram")


def pattern(start: int, size: int) -> bytes:
    """Bytes that are unlike those before and after them."""
    return bytes((start + n) * 131 % 251 for n in range(size))


class Wires(RuleBasedStateMachine):
    """Two nodes that do anything, over a wire that does anything."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Conversation()
        self.broken = False
        self.incarnations = itertools.count(33)

    @initialize()
    def meet(self) -> None:
        self.both.connect()

    def _stream(self, side: int, index: int) -> Stream | None:
        streams = list(self.both.sides[side].streams.values())
        return streams[index % len(streams)] if streams else None

    @rule(side=st.integers(0, 1))
    def open(self, side: int) -> None:
        self.both.sides[side].open(SMALL)

    @rule(side=st.integers(0, 1), index=st.integers(0, 9), size=st.integers(1, 6000))
    def write(self, side: int, index: int, size: int) -> None:
        stream = self._stream(side, index)
        if stream is not None:
            self.both.sides[side].write(stream, pattern(len(stream.sent), size))

    @rule(side=st.integers(0, 1), index=st.integers(0, 9), size=st.integers(1, 6000))
    def read(self, side: int, index: int, size: int) -> None:
        stream = self._stream(side, index)
        if stream is not None:
            self.both.sides[side].read(stream, size)

    @rule(side=st.integers(0, 1), index=st.integers(0, 9))
    def finish(self, side: int, index: int) -> None:
        stream = self._stream(side, index)
        if stream is not None:
            self.both.sides[side].finish(stream)

    @rule(side=st.integers(0, 1), index=st.integers(0, 9))
    def reset(self, side: int, index: int) -> None:
        stream = self._stream(side, index)
        if stream is not None and stream.flow.state is not FlowState.OVER:
            stream.aborted = Reason.RESET
            self.both.sides[side].session.reset(stream.flow, Reason.RESET)

    @rule(side=st.integers(0, 1))
    def say(self, side: int) -> None:
        self.both.sides[side].session.say(PACKET)

    @rule(side=st.integers(0, 1))
    def send(self, side: int) -> None:
        self.both.send(side)

    @rule(side=st.integers(0, 1), count=st.integers(1, 5))
    def deliver(self, side: int, count: int) -> None:
        for _ in range(count):
            self.both.deliver(side)

    @rule()
    def reconnect(self) -> None:
        self.both.connect()

    @rule()
    def disconnect(self) -> None:
        self.both.disconnect()

    @rule()
    def half_connect(self) -> None:
        self.both.half_connect()

    @rule(side=st.integers(0, 1))
    @precondition(lambda self: not self.both.connected)
    def give_up(self, side: int) -> None:
        one = self.both.sides[side]
        one.handle(one.session.give_up(Reason.TIMED_OUT))

    @rule(side=st.integers(0, 1))
    def restart(self, side: int) -> None:
        """One process dies, and another takes its place."""
        self.both.disconnect()
        for stream in self.both.sides[side].streams.values():
            stream.aborted = stream.aborted or Reason.RESET
        fresh = Side(is_first=side == 0, incarnation=next(self.incarnations))
        fresh.streams = {}
        self.both.sides[side] = fresh

    @invariant()
    def what_has_come_was_sent(self) -> None:
        for side, other in (self.both.sides, self.both.sides[::-1]):
            for number, stream in side.streams.items():
                sender = other.streams.get(number)
                if sender is not None:
                    assert sender.sent.startswith(stream.received)

    def teardown(self) -> None:
        self.both.settle()
        for side, other in (self.both.sides, self.both.sides[::-1]):
            for number, stream in side.streams.items():
                sender = other.streams.get(number)
                if stream.aborted or sender is None or sender.aborted:
                    assert stream.flow.state is FlowState.OVER
                    continue
                assert stream.received == sender.sent
                assert stream.ended == sender.flow.finished
                done = sender.flow.finished and stream.flow.finished
                assert (stream.flow.state is FlowState.OVER) == done
            assert side.session.flows.keys() == other.session.flows.keys()


test_any_interleaving_of_any_losses_keeps_flows_whole = Wires.TestCase


def joined() -> tuple[Conversation, Stream, Stream]:
    """Two nodes, and both ends of a flow."""
    both = Conversation()
    both.connect()
    near = both.sides[0].open(SMALL)
    both.settle()
    return both, near, both.sides[1].streams[near.flow.id]


def test_a_writer_stops_where_the_window_ends_and_goes_on_when_it_is_read() -> None:
    both, near, far = joined()
    assert both.sides[0].write(near, bytes(100_000)) == WINDOW_LEAST
    both.send(0), both.deliver(0)
    assert both.sides[0].write(near, b"x") == 0
    both.sides[1].read(far, WINDOW_LEAST)
    both.send(1), both.deliver(1)
    assert both.sides[0].write(near, bytes(100_000)) == WINDOW_LEAST


def test_flows_do_not_wait_for_each_other() -> None:
    both, near, _ = joined()
    assert both.sides[0].write(near, bytes(100_000)) == WINDOW_LEAST
    other = both.sides[0].open(SMALL)
    for _ in range(4):
        both.send(0), both.deliver(0), both.send(1), both.deliver(1)
    assert both.sides[0].write(other, b"passes by") == 9
    both.send(0), both.deliver(0)
    heard = both.sides[1].streams[other.flow.id]
    both.sides[1].read(heard, 100)
    assert heard.received == b"passes by"


def test_a_stream_that_breaks_costs_nothing_but_time() -> None:
    both, near, far = joined()
    both.sides[0].write(near, b"before")
    both.send(0)
    both.connect()
    both.sides[0].write(near, b"after")
    both.sides[0].finish(near)
    both.settle()
    assert far.received == b"beforeafter"
    assert far.ended


def test_packets_are_lost_while_there_is_no_stream() -> None:
    both, _, _ = joined()
    both.sides[0].session.say(PACKET)
    both.disconnect()
    both.sides[0].session.say(PACKET)
    both.settle()
    assert both.sides[1].packets == []
    for frame in (PACKET, Asked(ENDS), Answered(ENDS, None, BUFFERS)):
        both.sides[0].session.say(frame)
    both.settle()
    assert both.sides[1].packets == [PACKET, Asked(ENDS), Answered(ENDS, None, BUFFERS)]


def test_packets_that_find_no_room_are_lost() -> None:
    both, _, _ = joined()
    large = Packet(UDP, ENDS, bytes(60_000))
    for _ in range(1000):
        both.sides[0].session.say(large)
    both.settle()
    assert len(both.sides[1].packets) == PACKETS_MOST_BYTES // (60_000 + 64)


@pytest.mark.parametrize("restarted", [0, 1])
def test_a_node_that_comes_back_as_another_resets_flows_at_once(restarted: int) -> None:
    both, near, far = joined()
    both.disconnect()
    both.sides[restarted] = Side(is_first=restarted == 0, incarnation=99)
    both.connect()
    survivor = far if restarted == 0 else near
    assert survivor.aborted is Reason.RESET


def test_an_outage_that_is_too_long_ends_flows_on_both_sides() -> None:
    both, near, far = joined()
    both.disconnect()
    both.sides[0].handle(both.sides[0].session.give_up(Reason.TIMED_OUT))
    assert (near.aborted, far.aborted) == (Reason.TIMED_OUT, None)
    both.settle()
    assert far.aborted is Reason.RESET


def test_a_connect_outlives_outages_and_restarts() -> None:
    both = Conversation()
    near = both.sides[0].open(SMALL)
    both.connect()
    both.disconnect()
    both.sides[0].handle(both.sides[0].session.give_up(Reason.TIMED_OUT))
    both.sides[1] = Side(is_first=False, incarnation=99)
    both.settle()
    assert near.flow.state is FlowState.OPEN


def test_what_is_not_acknowledged_is_bounded() -> None:
    both = Conversation()
    both.connect()
    streams = [both.sides[0].open(BUFFERS) for _ in range(40)]
    for _ in range(3):
        both.send(0), both.deliver(0), both.send(1), both.deliver(1)
    session = both.sides[0].session
    for stream in streams:
        stream.flow.credit = 1 << 20
    sent = 0
    for stream in itertools.cycle(streams):
        size = min(session.room, stream.flow.credit, 1 << 20)
        if not size:
            break
        sent += both.sides[0].write(stream, bytes(size))
        session.take()
    assert UNACKNOWLEDGED_MOST - (1 << 16) <= sent <= UNACKNOWLEDGED_MOST


def test_many_batches_are_acknowledged_without_anything_else_to_say() -> None:
    both, _, _ = joined()
    for _ in range(ACKNOWLEDGE_BATCHES):
        both.sides[0].session.say(PACKET)
        both.send(0), both.deliver(0)
    batch = both.sides[1].session.take()
    assert batch is not None
    assert (batch.sequence, batch.frames) == (0, [])
    assert batch.acknowledged >= ACKNOWLEDGE_BATCHES


def greeted() -> tuple[Session, Position]:
    session = Session(is_first=True, incarnation=1)
    peer = Position(2, 0, 0, 0, 0)
    session.resume(peer)
    return session, peer


@pytest.mark.parametrize(
    "frames",
    [
        [Data(1, b"of a flow that was not accepted")],
        [Accepted(1, BUFFERS, 10), Accepted(1, BUFFERS, 10)],
        [Accepted(1, BUFFERS, 10), Data(1, bytes(WINDOW_LEAST + 1))],
        [Accepted(1, BUFFERS, 10), Finished(1), Data(1, b"late")],
        [Accepted(1, BUFFERS, 10), Finished(1), Finished(1)],
        [Finished(1)],
        [Accepted(1, BUFFERS, 10), Window(1, 1 << 60)],
        [Opened(3, ENDS, BUFFERS, 1)],
        [Opened(0, ENDS, BUFFERS, 1)],
        [Opened(2, ENDS, BUFFERS, 1), Opened(2, ENDS, BUFFERS, 1)],
        [Opened(4, ENDS, BUFFERS, 1), Opened(2, ENDS, BUFFERS, 1)],
        [Opened(2, ENDS, BUFFERS, 1), Data(2, b"before it is accepted")],
    ],
)
def test_what_a_node_may_not_say_ends_the_stream(frames: list[Frame]) -> None:
    session, _ = greeted()
    session.open(ENDS, SMALL)
    session.take()
    with pytest.raises(ProtocolError):
        session.receive(Batch(1, 0, frames))


@pytest.mark.parametrize(
    "batch", [Batch(2, 0, []), Batch(0, 0, [Reset(1, Reason.RESET)]), Batch(1, 7, [])]
)
def test_batches_are_numbered_without_gaps(batch: Batch) -> None:
    session, _ = greeted()
    with pytest.raises(ProtocolError):
        session.receive(batch)


def test_a_position_that_cannot_be_is_refused() -> None:
    both, _, _ = joined()
    session = both.sides[0].session
    known = session.position
    with pytest.raises(ProtocolError):
        session.resume(
            Position(
                known.peer_incarnation, known.peer_epoch, known.incarnation, known.epoch, 10_000
            )
        )


def test_what_has_piled_up_goes_in_several_batches() -> None:
    both, _, _ = joined()
    for _ in range(2 * BATCH_FRAMES + 1):
        both.sides[0].session.say(Asked(ENDS))
    sizes = []
    while (batch := both.sides[0].session.take()) is not None:
        sizes.append(len(batch.frames))
    assert sizes == [BATCH_FRAMES, BATCH_FRAMES, 1]
    assert both.sides[0].session.room <= UNACKNOWLEDGED_MOST - sum(sizes) * 64


def test_half_open_connections_are_bounded() -> None:
    session, _ = greeted()
    frames: list[Frame] = [
        Opened(2 * number, ENDS, BUFFERS, 1) for number in range(1, ARRIVING_MOST + 3)
    ]
    happenings = session.receive(Batch(1, 0, frames))
    assert sum(isinstance(one, Arrived) for one in happenings) == ARRIVING_MOST
    batch = session.take()
    assert batch is not None
    assert [frame for frame in batch.frames if isinstance(frame, Reset)] == [
        Reset(2 * number, Reason.NO_ROOM) for number in (ARRIVING_MOST + 1, ARRIVING_MOST + 2)
    ]


def test_who_does_not_take_answers_is_cut_off() -> None:
    session, _ = greeted()
    numbers = itertools.count(2, 2)

    def flood() -> None:
        for sequence in range(1, 1000):
            opened: list[Frame] = [
                Opened(number, ENDS, BUFFERS, 1) for number in itertools.islice(numbers, 1000)
            ]
            session.receive(Batch(sequence, 0, opened))

    with pytest.raises(ProtocolError):
        flood()


ids = st.integers(0, 9)
hostile = st.one_of(
    st.builds(Data, ids, st.binary(max_size=64)),
    st.builds(Window, ids, st.integers(0, 2**64 - 1)),
    st.builds(Opened, ids, st.just(ENDS), st.just(BUFFERS), st.integers(0, 2**64 - 1)),
    st.builds(Accepted, ids, st.just(BUFFERS), st.integers(0, 2**64 - 1)),
    st.builds(Finished, ids),
    st.builds(Reset, ids, st.sampled_from(Reason)),
    st.just(PACKET),
)


@given(st.lists(st.lists(hostile, max_size=6), max_size=6), st.integers(0, 3))
def test_any_frames_are_taken_or_refused(batches: list[list[Frame]], acknowledged: int) -> None:
    session, _ = greeted()
    mine = [session.open(ENDS, SMALL) for _ in range(3)]
    session.take()
    try:
        for sequence, frames in enumerate(batches, 1):
            for happening in session.receive(Batch(sequence, min(acknowledged, 1), frames)):
                if isinstance(happening, Arrived):
                    session.accept(happening.flow, SMALL)
    except ProtocolError:
        session.give_up(Reason.RESET)
    for flow in mine:
        assert flow.unwritten_bytes <= WINDOW_LEAST
        assert 0 <= flow.credit <= 2 * UNACKNOWLEDGED_MOST
