"""Two sessions with a wire between them that a test lets through, breaks and mends.

Owns what a carrier does with happenings, without any fabric: each side's programs write what the
windows let them and read when the test says so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from vnet.trunk.flow import Flow, FlowState
from vnet.trunk.frames import Answered, Asked, Batch, Buffers, Claims, Ends, Packet, Reason
from vnet.trunk.session import (
    Aborted,
    Arrived,
    Established,
    Happening,
    Received,
    Session,
    Unordered,
)

BUFFERS = Buffers(1 << 20, 1 << 20)
SMALL = Buffers(4096, 1024)
ENDS = Ends(1, 32768, 2, 80)


@dataclass(eq=False)
class Stream:
    """One end of a flow as a program has it."""

    flow: Flow
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    aborted: Reason | None = None
    ended: bool = False


class Side:
    """One node."""

    def __init__(self, *, is_first: bool, incarnation: int) -> None:
        self.session = Session(is_first=is_first, incarnation=incarnation)
        self.streams: dict[int, Stream] = {}
        self.packets: list[Unordered] = []

    def open(self, buffers: Buffers = BUFFERS) -> Stream:
        flow = self.session.open(ENDS, buffers)
        self.streams[flow.id] = Stream(flow)
        return self.streams[flow.id]

    def write(self, stream: Stream, data: bytes) -> int:
        """Send as much as the window lets through."""
        flow = stream.flow
        if flow.state is not FlowState.OPEN or flow.finished:
            return 0
        piece = data[: flow.credit]
        if piece:
            self.session.send(flow, piece)
            stream.sent += piece
        return len(piece)

    def read(self, stream: Stream, size: int) -> None:
        """Take some of what has come, as a pod that reads at its own pace."""
        flow = stream.flow
        while size and flow.unwritten:
            piece = flow.unwritten[0][:size]
            stream.received += piece
            self.session.wrote(flow, len(piece))
            size -= len(piece)
        if flow.peer_finished and not flow.unwritten:
            stream.ended = True

    def finish(self, stream: Stream) -> None:
        if stream.flow.state is FlowState.OPEN and not stream.flow.finished:
            self.session.finish(stream.flow)

    def handle(self, happenings: list[Happening], *, accept: bool = True) -> None:
        for happening in happenings:
            match happening:
                case Arrived(flow):
                    self.streams[flow.id] = Stream(flow)
                    if accept:
                        self.session.accept(flow, SMALL)
                    else:
                        self.session.reset(flow, Reason.REFUSED)
                case Aborted(flow, reason):
                    self.streams[flow.id].aborted = reason
                case Received(flow):
                    assert flow.unwritten or flow.peer_finished
                case Packet() | Asked() | Answered() | Claims():
                    self.packets.append(happening)
                case Established(flow, buffers):
                    assert buffers == SMALL
                case _:
                    pass


class Conversation:
    """Both nodes, and what is on the wire between them."""

    def __init__(self) -> None:
        self.sides = [
            Side(is_first=True, incarnation=11),
            Side(is_first=False, incarnation=22),
        ]
        self.wires: list[deque[Batch]] = [deque(), deque()]
        self.connected = False

    def connect(self) -> None:
        """Begin a stream, in the place of one before."""
        self.disconnect()
        first, second = self.sides
        position = first.session.position
        answer = second.session.position
        second.handle(second.session.resume(position))
        first.handle(first.session.resume(answer))
        self.connected = True

    def disconnect(self) -> None:
        """Break the stream: what is on the wire is lost."""
        for side, wire in zip(self.sides, self.wires, strict=True):
            side.session.lost()
            wire.clear()
        self.connected = False

    def half_connect(self) -> None:
        """Break a stream as it begins: the second node knows of it, the first does not."""
        self.disconnect()
        first, second = self.sides
        second.handle(second.session.resume(first.session.position))
        self.disconnect()

    def send(self, number: int) -> bool:
        """Put the next batch of a side on the wire."""
        batch = self.sides[number].session.take() if self.connected else None
        if batch is not None:
            self.wires[number].append(batch)
        return batch is not None

    def deliver(self, number: int) -> bool:
        """Let the next batch from a side arrive."""
        if not self.wires[number]:
            return False
        other = self.sides[1 - number]
        other.handle(other.session.receive(self.wires[number].popleft()))
        return True

    def settle(self) -> None:
        """Let everything arrive and be read, until nobody has anything to say."""
        if not self.connected:
            self.connect()
        busy = True
        while busy:
            busy = False
            for number, side in enumerate(self.sides):
                while self.send(number) or self.deliver(number):
                    busy = True
                for stream in list(side.streams.values()):
                    before = len(stream.received)
                    self.sides[number].read(stream, 1 << 30)
                    busy |= len(stream.received) > before
