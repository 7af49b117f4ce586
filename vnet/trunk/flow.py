"""One flow of a trunk as one of its two nodes sees it: its state, its windows, what waits.

Owns the arithmetic of credit in both directions. The window is what lies between the two nodes and
is not yet in the fabric of the one that receives.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from vnet.trunk.errors import ProtocolError

if TYPE_CHECKING:
    from vnet.trunk.frames import Buffers, Ends

WINDOW_MOST = 2 << 20
"""Of a flow: several batches, so that not each of them is answered that there is room."""
WINDOW_FAIR = 64 << 10
"""Of a flow among very many."""
WINDOWS_BYTES = 256 << 20
"""What all flows of two nodes may have on their way together, unless there are very many."""
WINDOW_LEAST = 4096


class FlowState(Enum):
    """Where a flow is in its life."""

    OPENING = "opening"
    """This node has opened it; the other has not accepted yet."""
    ARRIVING = "arriving"
    """The other node has opened it; its connection waits for a pod of this one."""
    OPEN = "open"
    OVER = "over"


class Flow:
    """One connection between pods of two nodes."""

    __slots__ = (
        "_consumed",
        "buffers",
        "credit",
        "ends",
        "finished",
        "granted",
        "id",
        "peer_finished",
        "state",
        "unwritten",
        "unwritten_bytes",
        "window",
    )

    def __init__(self, number: int, ends: Ends, buffers: Buffers, state: FlowState) -> None:
        self.id = number
        self.ends = ends
        self.buffers = buffers
        """Of this node's end once it is known, of whoever connects before."""
        self.state = state
        self.credit = 0
        """Bytes that may be sent."""
        self.granted = 0
        """Bytes that the peer may send."""
        self.window = 0
        self.finished = False
        """This node has sent all."""
        self.peer_finished = False
        """The other node has sent all."""
        self.unwritten: deque[bytes] = deque()
        """What has come and is not in the fabric yet."""
        self.unwritten_bytes = 0
        self._consumed = 0

    def open_window(self, receive_buffer: int, flows: int) -> int:
        """Let the peer send what an end with this buffer, one of so many flows, may be sent.

        It is twice the buffer, as Linux doubles what SO_RCVBUF says.
        """
        fair = max(WINDOW_FAIR, WINDOWS_BYTES // max(flows, 1))
        wanted = max(WINDOW_LEAST, 2 * receive_buffer)
        self.window = self.granted = min(WINDOW_MOST, fair, wanted)
        return self.window

    def spend(self, size: int) -> None:
        """Bytes are being sent."""
        assert size <= self.credit, "more was read than may be sent"
        self.credit -= size

    def take(self, data: bytes) -> None:
        """Bytes have come.

        Raises:
            ProtocolError: They were not allowed.
        """
        size = len(data)
        if self.peer_finished:
            raise ProtocolError(f"flow {self.id} goes on after its end")
        if size > self.granted:
            raise ProtocolError(f"flow {self.id} sent {size - self.granted} bytes too many")
        self.granted -= size
        if size:
            self.unwritten.append(data)
            self.unwritten_bytes += size

    def wrote(self, size: int) -> int:
        """The first `size` unwritten bytes are in the fabric: by how much the window opens now.

        Small steps are saved up, so that a window costs few frames.
        """
        self._forget(size)
        if self.peer_finished:
            return 0
        self._consumed += size
        if self._consumed * 2 < self.window:
            return 0
        increment, self._consumed = self._consumed, 0
        self.granted += increment
        return increment

    def _forget(self, size: int) -> None:
        self.unwritten_bytes -= size
        while size:
            first = self.unwritten[0]
            if size < len(first):
                self.unwritten[0] = first[size:]
                return
            size -= len(first)
            self.unwritten.popleft()

    @property
    def is_done(self) -> bool:
        """Whether both directions have ended in order."""
        return self.finished and self.peer_finished and not self.unwritten
