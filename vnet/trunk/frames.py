"""What two nodes say to each other, as values.

Owns the frames and what is in them, and the units of the latter. Addresses are IPv4 as numbers, as
the kernel has them. Frames that are made for every few bytes are plain classes with slots,
immutable by habit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias


class Ends(NamedTuple):
    """Who speaks with whom."""

    source: int
    source_port: int
    target: int
    target_port: int


class Buffers(NamedTuple):
    """What an end of a connection lets lie unsent and unread, in bytes."""

    send: int
    receive: int


class Reason(Enum):
    """Why a flow ended at once, or does not begin."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    TIMED_OUT = "timed out"
    NO_ROOM = "no room"


@dataclass(slots=True)
class Data:
    """Bytes of a flow."""

    flow: int
    data: bytes


@dataclass(slots=True)
class Window:
    """The peer may send so many bytes more."""

    flow: int
    increment: int


@dataclass(slots=True)
class Opened:
    """A flow begins."""

    flow: int
    ends: Ends
    buffers: Buffers
    window: int


@dataclass(slots=True)
class Accepted:
    """The peer's pod has the connection."""

    flow: int
    buffers: Buffers
    window: int


@dataclass(slots=True)
class Finished:
    """The sender's half of a flow has ended."""

    flow: int


@dataclass(slots=True)
class Reset:
    """A flow has ended at once."""

    flow: int
    reason: Reason


@dataclass(slots=True)
class Asked:
    """A SYN came to the end of its way."""

    ends: Ends


@dataclass(slots=True)
class Answered:
    """What a listener says to that: its buffers, or why not."""

    ends: Ends
    refused: Reason | None
    buffers: Buffers


ICMP, UDP = 1, 17


@dataclass(slots=True)
class Packet:
    """One whole datagram or ICMP packet; the fields are those of the message."""

    protocol: int
    ends: Ends
    payload: bytes
    corrupt: bool = False
    broadcast_to: int = 0
    identifier: int = 0
    sequence: int = 0
    reply: bool = False
    refused: int = 0
    elapsed_ns: int = 0


WHOLE = 1 << 20
"""Parts of a link's rate that shares and demands are counted in."""
FLOW = 1 << 8
"""Parts of a flow: numbers of flows are means."""
FLOWS_CLAIMED_MOST = 1 << 24
"""More than any queue holds packets."""
CLAIMS_MOST = 4096
"""Of one node at a time."""


class LinkWay(NamedTuple):
    """One direction of a link, or an interface's own link."""

    link: str
    """Its name; empty of an interface's own."""
    backward: bool
    address: int
    """Of the interface; 0 of a link that has a name."""


class Claim(NamedTuple):
    """What a node wants of a link."""

    way: LinkWay
    demand: int
    """Parts of `WHOLE` that it uses; `WHOLE` for all that it can get."""
    flows: int
    """In parts of `FLOW`, and one at least."""


@dataclass(slots=True)
class Claims:
    """All that a node wants now of links with rates."""

    claims: tuple[Claim, ...]


Frame: TypeAlias = (
    Data | Window | Opened | Accepted | Finished | Reset | Asked | Answered | Packet | Claims
)


@dataclass(slots=True)
class Batch:
    """Frames that go together."""

    sequence: int
    """From 1; 0 for one without frames."""
    acknowledged: int
    frames: list[Frame]
