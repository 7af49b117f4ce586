"""The conversation of two nodes, as one of them holds it.

Owns flow ids, windows, the order of frames, what has to be sent again on a new stream, and what
becomes of flows when the two do not know each other any more. No bytes are read or written here, no
clock is looked at: whoever carries frames asks what to send (`take`), tells what came (`receive`,
`resume`) and does what is answered.

A session is what two lives of two processes have in common: it goes on over any number of streams
as long as both sides are in the same one, which `Position` tells.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from vnet.trunk.errors import ProtocolError
from vnet.trunk.flow import Flow, FlowState
from vnet.trunk.frames import (
    Accepted,
    Answered,
    Asked,
    Batch,
    Buffers,
    Claims,
    Data,
    Ends,
    Finished,
    Frame,
    Opened,
    Packet,
    Reason,
    Reset,
    Window,
)

UNACKNOWLEDGED_MOST = 16 << 20
"""Bytes that wait for an acknowledgement, and would be sent again; several full windows."""
ACKNOWLEDGE_BYTES = 1 << 20
ACKNOWLEDGE_BATCHES = 64
FLOWS_MOST = 16_384
"""Of one pair of nodes, opened by one of them."""
ARRIVING_MOST = 4096
"""Connections from one node that wait for pods of this one; Linux's largest accept queue."""
PACKETS_MOST_BYTES = 4 << 20
"""Packets that wait to be sent; more are lost, as on a full link."""
FRAMES_MOST = 1 << 17
"""Frames that wait to be sent: who makes this node say so much and does not listen is cut off."""
BATCH_FRAMES = 8192
"""In one batch."""
FRAME_BYTES = 64
"""What a frame counts beside its payload."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where one side is."""

    incarnation: int
    epoch: int
    peer_incarnation: int
    """As this side knows it; 0: not at all."""
    peer_epoch: int
    received: int
    """Sequence of the last batch that came."""


@dataclass(slots=True)
class Arrived:
    """The peer opened a flow: `accept` or `reset` it."""

    flow: Flow


@dataclass(slots=True)
class Established:
    """A flow of this side's is open; the far end has these buffers."""

    flow: Flow
    buffers: Buffers


@dataclass(slots=True)
class Received:
    """There is something unwritten, or the peer has finished."""

    flow: Flow


@dataclass(slots=True)
class Credited:
    """More may be sent."""

    flow: Flow


@dataclass(slots=True)
class Aborted:
    """The flow is over; this side need say no more."""

    flow: Flow
    reason: Reason


Happening: TypeAlias = (
    Arrived | Established | Received | Credited | Aborted | Asked | Answered | Packet | Claims
)


Unordered: TypeAlias = Packet | Asked | Answered | Claims
"""What belongs to no flow."""


class Session:
    """One side of the conversation."""

    def __init__(self, *, is_first: bool, incarnation: int) -> None:
        """Begin.

        Args:
            is_first: Whether this node's name sorts before the other's.
            incarnation: A random number of this life of the process, not 0.
        """
        self.flows: dict[int, Flow] = {}
        """Those that are not over."""
        self.streaming = False
        """Whether there is a stream to send on."""
        self._incarnation, self._epoch = incarnation, 0
        self._peer_incarnation = self._peer_epoch = 0
        self._next_id = 1 if is_first else 2
        self._last_peer_id = 0
        self._peer_parity = 0 if is_first else 1
        self._arriving = 0
        self._arrived = 0
        self._begin()

    def _begin(self) -> None:
        self._frames: list[Frame] = []
        self._packet_bytes = 0
        self._sent: deque[tuple[Batch, int]] = deque()
        self._again: deque[Batch] = deque()
        self._unacknowledged = 0
        self._pending_bytes = 0
        self._sequence = self._received = self._acknowledged = 0
        self._owed_bytes = 0

    def open(self, ends: Ends, buffers: Buffers) -> Flow:
        """Open a flow; it may send once it is `Established`."""
        flow = Flow(self._next_id, ends, buffers, FlowState.OPENING)
        self._next_id += 2
        self.flows[flow.id] = flow
        self._say_opened(flow)
        return flow

    def _say_opened(self, flow: Flow) -> None:
        window = flow.open_window(flow.buffers.receive, len(self.flows))
        self._say(Opened(flow.id, flow.ends, flow.buffers, window))

    def accept(self, flow: Flow, buffers: Buffers) -> None:
        """A pod has the connection of a flow that `Arrived`."""
        if flow.state is not FlowState.ARRIVING:
            return
        flow.state = FlowState.OPEN
        self._arriving -= 1
        window = flow.open_window(buffers.receive, len(self.flows))
        self._say(Accepted(flow.id, buffers, window))

    def send(self, flow: Flow, data: bytes) -> None:
        """Send bytes, no more than the flow has credit for."""
        flow.spend(len(data))
        self._frames.append(Data(flow.id, data))
        self._pending_bytes += len(data) + FRAME_BYTES

    def finish(self, flow: Flow) -> None:
        """Send no more."""
        flow.finished = True
        self._say(Finished(flow.id))
        self._settle(flow)

    def reset(self, flow: Flow, reason: Reason) -> None:
        """End a flow at once; nothing happens when it is over."""
        if flow.state is not FlowState.OVER:
            self._forget(flow)
            self._say(Reset(flow.id, reason))

    def wrote(self, flow: Flow, size: int) -> None:
        """The first `size` unwritten bytes of a flow are in the fabric."""
        increment = flow.wrote(size)
        if increment and flow.state is not FlowState.OVER:
            self._say(Window(flow.id, increment))
        self._settle(flow)

    def say(self, frame: Unordered) -> None:
        """Send what belongs to no flow; it is lost while there is no stream, or no room."""
        size = _size(frame)
        if self.streaming and self._packet_bytes + size <= PACKETS_MOST_BYTES:
            self._packet_bytes += size
            self._say(frame)

    def _say(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._pending_bytes += _size(frame)

    def _settle(self, flow: Flow) -> None:
        if flow.is_done and flow.state is FlowState.OPEN:
            self._forget(flow)

    def _forget(self, flow: Flow) -> None:
        if flow.state is FlowState.ARRIVING:
            self._arriving -= 1
        if self.flows.pop(flow.id, None) is not None and self._is_peers(flow.id):
            self._arrived -= 1
        flow.state = FlowState.OVER
        flow.unwritten.clear()
        flow.unwritten_bytes = 0

    def _is_peers(self, number: int) -> bool:
        return number % 2 == self._peer_parity

    @property
    def room(self) -> int:
        """Bytes of flows that may be sent before something is acknowledged."""
        return max(0, UNACKNOWLEDGED_MOST - self._unacknowledged - self._pending_bytes)

    @property
    def has_something_to_say(self) -> bool:
        """Whether `take` has a batch."""
        return bool(self._again or self._frames) or self._owes_acknowledgement()

    def take(self) -> Batch | None:
        """The next batch for the stream; None when there is nothing to say."""
        if self._again:
            batch = self._again.popleft()
            return Batch(batch.sequence, self._acknowledge(), batch.frames)
        if self._frames:
            return self._next_batch()
        if self._owes_acknowledgement():
            return Batch(0, self._acknowledge(), [])
        return None

    def _next_batch(self) -> Batch:
        self._sequence += 1
        frames, size = self._frames, self._pending_bytes
        if len(frames) > BATCH_FRAMES:
            frames = frames[:BATCH_FRAMES]
            size = sum(map(_size, frames))
        self._frames = self._frames[len(frames) :]
        self._pending_bytes -= size
        if not self._frames:
            self._packet_bytes = 0
        batch = Batch(self._sequence, self._acknowledge(), frames)
        self._sent.append((batch, size))
        self._unacknowledged += size
        return batch

    def _owes_acknowledgement(self) -> bool:
        owed = self._received - self._acknowledged
        return owed >= ACKNOWLEDGE_BATCHES or self._owed_bytes >= ACKNOWLEDGE_BYTES

    def _acknowledge(self) -> int:
        self._acknowledged, self._owed_bytes = self._received, 0
        return self._received

    def receive(self, batch: Batch) -> list[Happening]:
        """Take a batch.

        Raises:
            ProtocolError: The peer may not say this. The stream is to be ended, the session to be
                given up.
        """
        self._note_acknowledged(batch.acknowledged)
        if batch.sequence == 0:
            if batch.frames:
                raise ProtocolError("frames in a batch without a sequence number")
            return []
        if batch.sequence != self._received + 1:
            raise ProtocolError(f"batch {batch.sequence} follows {self._received}")
        self._received = batch.sequence
        happenings: list[Happening] = []
        for frame in batch.frames:
            self._handle(frame, happenings)
        if len(self._frames) > FRAMES_MOST:
            raise ProtocolError("it does not take the answers to what it says")
        return happenings

    def _note_acknowledged(self, sequence: int) -> None:
        if sequence > self._sequence:
            raise ProtocolError(f"batch {sequence} was acknowledged before it was sent")
        while self._sent and self._sent[0][0].sequence <= sequence:
            self._unacknowledged -= self._sent.popleft()[1]

    def _handle(self, frame: Frame, happenings: list[Happening]) -> None:
        if isinstance(frame, Data):
            self._handle_data(frame, happenings)
        elif isinstance(frame, Window):
            self._handle_window(frame, happenings)
        elif isinstance(frame, Unordered):
            happenings.append(frame)
        elif isinstance(frame, Opened):
            self._handle_opened(frame, happenings)
        else:
            self._handle_step(frame, happenings)

    def _handle_data(self, frame: Data, happenings: list[Happening]) -> None:
        self._owed_bytes += len(frame.data)
        flow = self.flows.get(frame.flow)
        if flow is None:
            return  # this side has reset it, which the peer does not know yet
        if flow.state is not FlowState.OPEN:
            raise ProtocolError(f"flow {flow.id} sends before it is accepted")
        first = not flow.unwritten
        flow.take(frame.data)
        if first:
            happenings.append(Received(flow))

    def _handle_window(self, frame: Window, happenings: list[Happening]) -> None:
        flow = self.flows.get(frame.flow)
        if flow is None:
            return
        if flow.credit + frame.increment > 2 * UNACKNOWLEDGED_MOST:
            raise ProtocolError(f"the window of flow {flow.id} is out of all proportion")
        flow.credit += frame.increment
        happenings.append(Credited(flow))

    def _handle_opened(self, frame: Opened, happenings: list[Happening]) -> None:
        if not self._is_peers(frame.flow) or frame.flow <= self._last_peer_id:
            raise ProtocolError(f"flow {frame.flow} cannot begin")
        self._last_peer_id = frame.flow
        if self._arrived >= FLOWS_MOST or self._arriving >= ARRIVING_MOST:
            self._say(Reset(frame.flow, Reason.NO_ROOM))
            return
        flow = Flow(frame.flow, frame.ends, frame.buffers, FlowState.ARRIVING)
        flow.credit = min(frame.window, UNACKNOWLEDGED_MOST)
        self.flows[flow.id] = flow
        self._arrived += 1
        self._arriving += 1
        happenings.append(Arrived(flow))

    def _handle_step(self, frame: Accepted | Finished | Reset, happenings: list[Happening]) -> None:
        flow = self.flows.get(frame.flow)
        if flow is None:
            return
        match frame:
            case Accepted(_, buffers, window):
                if flow.state is not FlowState.OPENING:
                    raise ProtocolError(f"flow {flow.id} was accepted twice")
                flow.state = FlowState.OPEN
                flow.credit = min(window, UNACKNOWLEDGED_MOST)
                happenings.append(Established(flow, buffers))
            case Finished():
                if flow.state is not FlowState.OPEN or flow.peer_finished:
                    raise ProtocolError(f"flow {flow.id} ended before it began, or twice")
                flow.peer_finished = True
                happenings.append(Received(flow))
            case Reset(_, reason):
                self._forget(flow)
                happenings.append(Aborted(flow, reason))
            case _:
                assert_never(frame)

    @property
    def position(self) -> Position:
        """Where this side is."""
        return Position(
            self._incarnation,
            self._epoch,
            self._peer_incarnation,
            self._peer_epoch,
            self._received,
        )

    def resume(self, peer: Position) -> list[Happening]:
        """A stream begins, on which this side has said its position; go on, or begin anew.

        Args:
            peer: Where the other side says that it is.

        Raises:
            ProtocolError: The peer claims to have received what was not sent, or to have forgotten
                what it acknowledged.
        """
        self.streaming = True
        theirs, as_known = (peer.incarnation, peer.epoch), (peer.peer_incarnation, peer.peer_epoch)
        known, mine = (self._peer_incarnation, self._peer_epoch), (self._incarnation, self._epoch)
        if theirs != known or as_known != mine:
            self._peer_incarnation, self._peer_epoch = peer.incarnation, peer.epoch
            return self._renew(Reason.RESET)
        oldest = self._sent[0][0].sequence if self._sent else self._sequence + 1
        if not oldest - 1 <= peer.received <= self._sequence:
            raise ProtocolError(f"it says that it received batch {peer.received}")
        self._note_acknowledged(peer.received)
        self._again = deque(batch for batch, _ in self._sent)
        return []

    def lost(self) -> None:
        """The stream has broken."""
        self.streaming = False
        waiting, self._frames = self._frames, []
        self._pending_bytes = self._packet_bytes = 0
        for frame in waiting:
            if not isinstance(frame, Unordered):
                self._say(frame)

    def give_up(self, reason: Reason) -> list[Happening]:
        """Forget all flows; the peer learns of it with the next stream."""
        self._epoch += 1
        return self._renew(reason)

    def _renew(self, reason: Reason) -> list[Happening]:
        """Forget what the peer forgets too. What has only been asked for is asked for again."""
        self._begin()
        happenings: list[Happening] = []
        for flow in list(self.flows.values()):
            if flow.state is FlowState.OPENING:
                self._say_opened(flow)
            else:
                self._forget(flow)
                happenings.append(Aborted(flow, reason))
        self._last_peer_id = 0
        return happenings


def _size(frame: Frame) -> int:
    """What a frame counts."""
    if isinstance(frame, Data):
        return len(frame.data) + FRAME_BYTES
    if isinstance(frame, Claims):
        return len(frame.claims) * FRAME_BYTES + FRAME_BYTES
    return len(frame.payload) + FRAME_BYTES if isinstance(frame, Packet) else FRAME_BYTES
