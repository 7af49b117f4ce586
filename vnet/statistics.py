"""What the virtual network has done so far, as plain values.

Owns the counters that a pod node reads out of the fabric and that people see as tables. All begin
with 0 when what they count for begins to exist, and never go back; rates are the business of
whoever reads twice. Bytes of links are those of layer 3, bytes of interfaces and flows are payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vnet.configuration import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics:
    """What one direction of a link has done."""

    link: str
    """For an interface's own link, the name of its group."""
    backward: bool = False
    packets: int = 0
    """All that came to it, those dropped included."""
    bytes: int = 0
    lost_packets: int = 0
    queue_full_packets: int = 0
    cut_packets: int = 0
    corrupted_packets: int = 0
    """Changed on the way; their receiver drops them."""
    too_large_packets: int = 0
    no_memory_packets: int = 0
    """Dropped because the sender's pod could not pay for them."""
    duplicated_packets: int = 0
    reordered_packets: int = 0
    queued_packets: int = 0
    """Waiting for the rate now; this one goes up and down."""
    queued_most_packets: int = 0

    @property
    def dropped_packets(self) -> int:
        """All that did not get to the other end, corrupted ones included."""
        return (
            self.lost_packets
            + self.queue_full_packets
            + self.cut_packets
            + self.corrupted_packets
            + self.too_large_packets
            + self.no_memory_packets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceStatistics:
    """What went through one interface."""

    address: IPv4Address
    network: str
    pod: str = ""
    """Who has the address now; empty when nobody has."""
    sent_bytes: int = 0
    """Of TCP, UDP and echoes; what a pod says to itself goes through no interface."""
    received_bytes: int = 0
    sent_datagrams: int = 0
    """UDP; those lost on the way are among them."""
    received_datagrams: int = 0
    """UDP that a socket took."""
    dropped_datagrams: int = 0
    """UDP for which its receiver's buffer had no room."""
    cut_packets: int = 0
    """Sent from here, and stopped by a partition or because there was no way."""
    sent_echoes: int = 0
    """ICMP requests and replies."""
    received_echoes: int = 0
    denied: int = 0
    """Connections, first datagrams and echoes, from here or to here, that a policy denied."""


class TcpState(Enum):
    """Where a TCP socket is in its life (RFC 9293 section 3.3.2).

    FIN-WAIT-1 and -2 are one state here, as are the last three: no pod can tell them apart.
    """

    LISTEN = "listen"
    SYN_SENT = "syn-sent"
    SYN_RECEIVED = "syn-received"
    ESTABLISHED = "established"
    FIN_WAIT = "fin-wait"
    CLOSE_WAIT = "close-wait"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end of a flow."""

    address: IPv4Address
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSender:
    """How a paced TCP connection sends in one direction."""

    mss_bytes: int = 0
    congestion_window_bytes: int = 0
    slow_start_threshold_bytes: int = 0
    in_flight_bytes: int = 0
    receive_window_bytes: int = 0
    smoothed_rtt_ns: int = 0
    """0 before the first sample."""
    rtt_variation_ns: int = 0
    retransmission_timeout_ns: int = 0
    segments: int = 0
    retransmitted_segments: int = 0
    timeouts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStatistics:
    """One socket of a pod."""

    pod: str
    protocol: Protocol
    local: Endpoint
    remote: Endpoint | None = None
    state: TcpState | None = None
    """None for UDP."""
    receive_queue: int = 0
    """Bytes that wait to be read; of a listener, connections that wait to be accepted."""
    send_queue: int = 0
    """Bytes that the peer has not read yet; of a listener, its backlog."""
    received_bytes: int = 0
    sent_bytes: int = 0
    sender: TcpSender | None = None
    """None while the flow is direct: its bytes cross no link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatistics:
    """What one policy has decided about connections and first datagrams."""

    policy: str
    denied: int = 0
    allowed: tuple[int, ...] = ()
    """By each of its rules, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStatistics:
    """What programs at one address have sent to another over TCP, since the sender's node began."""

    source: IPv4Address
    target: IPv4Address
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatistics:
    """All of it at one moment."""

    time_s: float
    """Seconds since the epoch."""
    links: tuple[LinkStatistics, ...] = ()
    interfaces: tuple[InterfaceStatistics, ...] = ()
    policies: tuple[PolicyStatistics, ...] = ()
    flows: tuple[FlowStatistics, ...] = ()
    """Empty unless asked for."""
    traffic: tuple[TrafficStatistics, ...] = ()
    """Empty unless flows are asked for; a node leaves pairs out when it has too many."""
