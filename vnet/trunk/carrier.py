"""Carries flows between one node's fabric and its session with another node.

Owns the descriptors of flows: reads them when the session may send, writes what came as far as a
pod takes it, and watches the rest. Everything runs on the event loop's thread; nothing waits.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from vnet.host import Event
from vnet.trunk.flow import FlowState
from vnet.trunk.frames import Answered, Asked, Batch, Buffers, Claims, Packet, Reason
from vnet.trunk.patience import Patience
from vnet.trunk.session import (
    Aborted,
    Arrived,
    Credited,
    Established,
    Happening,
    Received,
    Session,
)

if TYPE_CHECKING:
    from vnet.host import Watches
    from vnet.trunk.flow import Flow
    from vnet.trunk.frames import Ends
    from vnet.trunk.switch import RemoteConnect, TrunkSwitch

BATCH_BYTES = 256 << 10
"""Of flows in one batch: measured, larger ones move no more and keep the loop longer."""
QUANTUM_BYTES = 64 << 10
"""Of one flow in a row, while others wait."""
LINGER_NS = 150_000
"""Of waiting for a pod's answer: waking it and being woken by it takes about half of that."""
_REASONS = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.EHOSTUNREACH: Reason.UNREACHABLE,
    errno.ENETUNREACH: Reason.UNREACHABLE,
    errno.EADDRNOTAVAIL: Reason.UNREACHABLE,
    errno.ETIMEDOUT: Reason.TIMED_OUT,
    errno.ENOBUFS: Reason.NO_ROOM,
    errno.ENOMEM: Reason.NO_ROOM,
    errno.EMFILE: Reason.NO_ROOM,
}
NO_BUFFERS = Buffers(0, 0)


class _End:
    """This node's end of a flow."""

    __slots__ = ("descriptor", "flow", "number", "queued", "shut", "writing")

    def __init__(self, flow: Flow, descriptor: int | None, number: int | None) -> None:
        self.flow = flow
        self.descriptor = descriptor
        """None while a connect waits for the other node."""
        self.number = number
        """Of that connect."""
        self.queued = False
        """To be read."""
        self.writing = False
        """Whether room is being waited for."""
        self.shut = False


class Carrier:
    """All flows of this node's pods with those of one other node."""

    def __init__(
        self,
        session: Session,
        switch: TrunkSwitch,
        watches: Watches,
        owns: Callable[[int], bool],
        wake: Callable[[], None],
        hear: Callable[[Claims], None],
    ) -> None:
        """Take what it needs.

        Args:
            session: The conversation.
            switch: The fabric.
            watches: Tells what can be read and written.
            owns: Whether pods of the other node may speak from an address.
            wake: Called when there is something to send, perhaps more often.
            hear: Takes what the other node wants of links.
        """
        self._session = session
        self._switch = switch
        self._watches = watches
        self._owns = owns
        self._wake = wake
        self._hear = hear
        self._ends: dict[int, _End] = {}
        self._connecting: dict[int, Flow] = {}
        self._readable: deque[_End] = deque()
        self._read_empty: list[_End] = []
        self._patience = Patience()

    def connect(self, connect: RemoteConnect) -> None:
        """Pass on a connect, which waits for an answer."""
        flow = self._session.open(connect.ends, connect.buffers)
        self._ends[flow.id] = _End(flow, None, connect.number)
        self._connecting[connect.number] = flow
        self._wake()

    def connected(self, descriptor: int, ends: Ends, buffers: Buffers) -> None:
        """Pass on a connection whose way here is over: the client takes it to be open."""
        flow = self._session.open(ends, buffers)
        end = self._ends[flow.id] = _End(flow, descriptor, None)
        self._watch_hangup(end)
        self._wake()

    @property
    def connecting(self) -> Collection[int]:
        """The connects that wait: their numbers in the kernel."""
        return self._connecting.keys()

    def withdraw(self, number: int) -> None:
        """Nobody waits for a connect any more."""
        flow = self._connecting[number]
        self._end(flow)
        self._session.reset(flow, Reason.RESET)
        self._wake()

    def say(self, frame: Packet | Asked | Claims) -> None:
        """Pass on what belongs to no flow."""
        self._session.say(frame)
        self._wake()

    def gather(self) -> Batch | None:
        """What is to be sent now; None when there is nothing."""
        room = min(BATCH_BYTES, self._session.room)
        while self._readable and room > 0:
            end = self._readable.popleft()
            end.queued = False
            room -= self._read(end, min(room, QUANTUM_BYTES) if self._readable else room)
        batch = self._session.take()
        if batch is None:
            self.watch_again()
        return batch

    def watch_again(self) -> None:
        """Watch what `gather` has read empty, which can wait until its batch is on its way."""
        ends, self._read_empty = self._read_empty, []
        for end in ends:
            if not end.queued:
                self._watch_read(end)

    def _read(self, end: _End, most: int) -> int:
        """Read a flow that may be readable; how much was sent."""
        flow, descriptor = end.flow, end.descriptor
        if flow.state is not FlowState.OPEN or descriptor is None or flow.finished:
            return 0
        size = min(flow.credit, most)
        if not size:
            self._watch_hangup(end)
            return 0
        try:
            data = self._switch.read(descriptor, size)
        except OSError as error:
            self._break(end, error)
            return 0
        if not data:
            self._nothing_more(end, ended=data is not None)
            return 0
        self._session.send(flow, data)
        if len(data) == size:
            self._queue(end)
        else:
            self._read_empty.append(end)
        return len(data)

    def _nothing_more(self, end: _End, *, ended: bool) -> None:
        if not ended:
            self._watch_read(end)
            return
        self._session.finish(end.flow)
        self._settle(end)
        if end.descriptor is not None:
            self._watch_hangup(end)

    def _queue(self, end: _End) -> None:
        if not end.queued:
            end.queued = True
            self._readable.append(end)

    def _watch_read(self, end: _End) -> None:
        def readable() -> None:
            self._queue(end)
            self._wake()

        self._watching(end, lambda fd: self._watches.watch(fd, Event.READ, readable))

    def _watch_write(self, end: _End) -> None:
        self._watching(
            end, lambda fd: self._watches.watch(fd, Event.WRITE, lambda: self._writable(end))
        )

    def _watch_hangup(self, end: _End) -> None:
        """Notice a reset while the flow is not read."""
        self._watching(end, lambda fd: self._watches.watch_hangup(fd, lambda: self._hung_up(end)))

    def _watching(self, end: _End, watch: Callable[[int], None]) -> None:
        if end.descriptor is None:
            return
        try:
            watch(end.descriptor)
        except OSError as error:
            self._break(end, error)

    def _hung_up(self, end: _End) -> None:
        if end.descriptor is None:
            return
        error = self._switch.error(end.descriptor)
        if error:
            self._break(end, OSError(error, "reset"))
        elif not end.queued:
            self._watch_hangup(end)

    def _writable(self, end: _End) -> None:
        end.writing = False
        if end.descriptor is None:
            return
        if end.flow.state is FlowState.ARRIVING:
            self._decided(end)
        else:
            self._flush(end)
        self._wake()

    def receive(self, batch: Batch) -> None:
        """Take a batch.

        Raises:
            ProtocolError: The other node may not say this.
        """
        happenings = self._session.receive(batch)
        last = happenings[-1] if happenings else None
        if not isinstance(last, Received):
            self.handle(happenings)
            return
        self.handle(happenings[:-1])
        self._take_last(last.flow)

    def _take_last(self, flow: Flow) -> None:
        """Write what came last; its pod may answer before anything else has to be done."""
        end = self._ends.get(flow.id)
        if end is None or end.writing:
            return
        if self._may_answer(end) and not self._readable and self._patience.is_worth_it():
            self._exchange(end)
        self._flush(end)

    def _may_answer(self, end: _End) -> bool:
        flow = end.flow
        return (
            flow.state is FlowState.OPEN
            and end.descriptor is not None
            and len(flow.unwritten) == 1
            and not flow.finished
            and flow.credit > 0
            and self._session.room > 0
        )

    def _exchange(self, end: _End) -> None:
        """Write what has come, and send what the pod says to that."""
        flow, descriptor = end.flow, end.descriptor
        assert descriptor is not None
        data, room = flow.unwritten[0], min(flow.credit, self._session.room, QUANTUM_BYTES)
        try:
            taken, answer = self._switch.exchange(descriptor, data, room, LINGER_NS)
        except OSError as error:
            self._break(end, error)
            return
        self._session.wrote(flow, taken)
        if taken < len(data):
            return
        self._patience.judge(succeeded=bool(answer))
        if answer:
            self._session.send(flow, answer)
        self._read_empty.append(end)

    def handle(self, happenings: list[Happening]) -> None:
        """Do what the session says."""
        for happening in happenings:
            self._handle(happening)
        if self._readable or self._session.has_something_to_say:
            self._wake()

    def _handle(self, happening: Happening) -> None:
        if isinstance(happening, Received):
            end = self._ends.get(happening.flow.id)
            if end is not None and not end.writing:
                self._flush(end)
        elif isinstance(happening, Credited):
            end = self._ends.get(happening.flow.id)
            if end is not None:
                self._queue(end)
        elif isinstance(happening, Packet):
            self._deliver(happening)
        elif isinstance(happening, Arrived):
            self._arrive(happening.flow)
        elif isinstance(happening, Established):
            self._established(happening.flow, happening.buffers)
        elif isinstance(happening, Aborted):
            self._aborted(happening.flow, happening.reason)
        elif isinstance(happening, Asked):
            self._asked(happening.ends)
        elif isinstance(happening, Claims):
            self._hear(happening)
        else:
            self._answered(happening)

    def _deliver(self, packet: Packet) -> None:
        if self._owns(packet.ends.source):
            self._switch.deliver(packet)

    def _asked(self, ends: Ends) -> None:
        found = self._switch.probe(ends) if self._owns(ends.source) else Reason.UNREACHABLE
        if isinstance(found, Reason):
            self._session.say(Answered(ends, found, NO_BUFFERS))
        elif found is not None:
            self._session.say(Answered(ends, None, found))

    def _answered(self, answer: Answered) -> None:
        if self._owns(answer.ends.target):
            self._switch.answer(answer.ends, answer.refused, answer.buffers)

    def _arrive(self, flow: Flow) -> None:
        if not self._owns(flow.ends.source):
            self._session.reset(flow, Reason.UNREACHABLE)
            return
        try:
            descriptor = self._switch.connect_arrived(flow.ends, flow.buffers)
        except OSError as error:
            self._session.reset(flow, _reason(error))
            return
        end = self._ends[flow.id] = _End(flow, descriptor, None)
        self._watch_write(end)

    def _decided(self, end: _End) -> None:
        """A connection that arrived has been let in, or has not."""
        assert end.descriptor is not None
        error = self._switch.error(end.descriptor)
        if error:
            self._break(end, OSError(error, "refused"))
            return
        self._session.accept(end.flow, self._switch.far_buffers(end.descriptor))
        self._queue(end)

    def _established(self, flow: Flow, buffers: Buffers) -> None:
        end = self._ends[flow.id]
        if end.number is not None:
            try:
                end.descriptor = self._switch.accept_connect(end.number, buffers)
            except OSError as error:
                self._break(end, error)
                return
            self._decide(end)
        self._queue(end)

    def _flush(self, end: _End) -> None:
        """Write what has come as far as the pod takes it."""
        flow, descriptor = end.flow, end.descriptor
        if descriptor is None:
            return
        try:
            while flow.unwritten:
                taken = self._switch.write_arrived(descriptor, flow.unwritten[0])
                if not taken:
                    end.writing = True
                    self._watch_write(end)
                    return
                self._session.wrote(flow, taken)
        except OSError as error:
            self._break(end, error)
            return
        if flow.peer_finished and not end.shut:
            end.shut = True
            self._switch.shutdown_write(descriptor)
            self._session.wrote(flow, 0)
        self._settle(end)

    def _aborted(self, flow: Flow, reason: Reason) -> None:
        end = self._ends.get(flow.id)
        if end is None:
            return
        if end.number is not None:
            self._switch.refuse_connect(end.number, reason)
        self._end(flow, reset=True)

    def _decide(self, end: _End) -> None:
        """A connect waits no longer."""
        if end.number is not None:
            del self._connecting[end.number]
            end.number = None

    def _break(self, end: _End, error: OSError) -> None:
        """This node's end of a flow has failed."""
        reason = _reason(error)
        if end.flow.state is FlowState.OPEN and reason is not Reason.TIMED_OUT:
            reason = Reason.RESET
        self._end(end.flow, reset=True)
        self._session.reset(end.flow, reason)
        self._wake()

    def _settle(self, end: _End) -> None:
        if end.flow.state is FlowState.OVER:
            self._end(end.flow)

    def _end(self, flow: Flow, *, reset: bool = False) -> None:
        end = self._ends.pop(flow.id, None)
        if end is None:
            return
        self._decide(end)
        if end.descriptor is None:
            return
        descriptor, end.descriptor = end.descriptor, None
        self._watches.forget(descriptor)
        if reset:
            self._switch.reset_on_close(descriptor)
        self._switch.close(descriptor)

    def reset_all(self, concerns: Callable[[Ends], bool]) -> None:
        """End the flows that something concerns."""
        for flow in list(self._session.flows.values()):
            if concerns(flow.ends):
                self._session.reset(flow, Reason.RESET)
                self._aborted(flow, Reason.UNREACHABLE)
        self._wake()


def _reason(error: OSError) -> Reason:
    return _REASONS.get(error.errno or 0, Reason.RESET)
