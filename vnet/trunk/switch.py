"""What a trunk needs of a fabric.

Owns the protocols and its values only; the engine implements it over the kernel. Calls never block.
Addresses are IPv4 as numbers; failures are `OSError` with Linux's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from vnet.trunk.frames import Asked, Buffers, Ends, LinkWay, Packet, Reason
from vnet.trunk.shares import LinkUse


class TrunkDescriptors(NamedTuple):
    """What to watch for reading."""

    connects: int
    """A pod connects to one elsewhere, or does so no longer."""
    listener: int
    """A connection whose way is simulated here has come to its end."""
    records: int
    """Packets and SYNs that have come to the end of their ways."""


class RemoteConnect(NamedTuple):
    """A pod's connect to a pod elsewhere, which waits for an answer."""

    number: int
    ends: Ends
    buffers: Buffers
    """Of the client."""


class LinkSwitch(Protocol):
    """The links of a fabric that have rates, which nodes share."""

    def has_rates(self) -> bool:
        """Whether there are any."""

    def take_uses(self) -> list[LinkUse]:
        """Say what was sent over which since the last time."""

    def limit(self, shares: Mapping[LinkWay, int]) -> None:
        """Have no more than these parts of `WHOLE` of their rates; who is not there is left out."""


class TrunkSwitch(Protocol):
    """A fabric as seen from the trunks of its node."""

    def open_trunk(self, byte_limit: int, socket_limit: int) -> TrunkDescriptors:
        """Serve; what comes from other nodes takes no more than this."""

    def close_trunk(self, descriptors: TrunkDescriptors) -> None:
        """Serve no longer: nobody is elsewhere."""

    def attach_remote(self, network: str, ipv4: int, prefix: int) -> None:
        """Note that a pod elsewhere has an address."""

    def detach_remote(self, ipv4: int) -> None:
        """Note that nobody elsewhere has it any more."""

    def take_connect(self) -> RemoteConnect | None:
        """Take the next connect; None when there is none."""

    def accept_connect(self, number: int, buffers: Buffers) -> int:
        """Let a connect succeed to a far end with these buffers; a descriptor of this end.

        Raises:
            OSError: The client has gone (ENOENT), or there is no room.
        """

    def refuse_connect(self, number: int, reason: Reason) -> None:
        """Let a connect fail; nothing happens when the client has gone."""

    def withdrawn(self, numbers: Sequence[int]) -> list[int]:
        """Return those connects, of the ones taken, whose clients have gone."""

    def accept_simulated(self, listener: int) -> tuple[int, Ends, Buffers] | None:
        """Take the next connection from the listener, with its client's buffers."""

    def take_record(self, records: int) -> Packet | Asked | None:
        """Take the next packet or SYN; None when there is none."""

    def answer(self, ends: Ends, refused: Reason | None, buffers: Buffers) -> None:
        """Tell a SYN's sender what the far node's listener says."""

    def probe(self, ends: Ends) -> Buffers | Reason | None:
        """Ask whether somebody listens at a target here: its buffers, why not, None: no room."""

    def connect_arrived(self, ends: Ends, buffers: Buffers) -> int:
        """Begin a connection from elsewhere to a pod here; watch it for writing, then ask `error`.

        Raises:
            OSError: Nobody listens (ECONNREFUSED) or is there (EHOSTUNREACH), or no room.
        """

    def far_buffers(self, descriptor: int) -> Buffers:
        """The buffers of the pod's end of such a connection, once it is open."""

    def deliver(self, packet: Packet) -> None:
        """Let a packet from elsewhere arrive; one that cannot is lost."""

    def read(self, descriptor: int, size: int) -> bytes | None:
        """Take up to `size` bytes; empty at the end of the stream, None when it would block."""

    def write_arrived(self, descriptor: int, data: bytes) -> int:
        """Give bytes; how many were taken.

        Raises:
            OSError: The pod has closed its end (EPIPE), or reset the connection.
        """

    def exchange(self, descriptor: int, data: bytes, room: int, ns: int) -> tuple[int, bytes]:
        """Give bytes, and keep the loop waiting, so long at most, for up to `room` bytes of answer.

        Returns how many were taken, and the answer: empty when there is none yet. Nothing is waited
        for unless all were taken; otherwise a watch for reading is gone then.

        Raises:
            OSError: As of `write_arrived`.
        """

    def shutdown_write(self, descriptor: int) -> None:
        """Send no more; the pod sees the end of the stream."""

    def reset_on_close(self, descriptor: int) -> None:
        """Have the pod see a reset when the descriptor is given back."""

    def error(self, descriptor: int) -> int:
        """Take the pending errno; 0 when there is none."""

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
