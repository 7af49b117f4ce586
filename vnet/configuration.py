"""What a deployment's virtual network is like beside its pods: links, routes, policies, egress.

Owns the values that the orchestrator works out and a pod node applies, whole: a node compares a
configuration with the one it has and changes only what differs. Addresses, not names, tell
interfaces apart, because an address outlives the pod that has it.

Terms are netem's for links (tc-netem(8)) and NetworkPolicy's for policies. Probabilities are
fractions from 0 to 1, times are nanoseconds, rates are bits per second at layer 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

DEFAULT_QUEUE_PACKETS = 1000
"""netem's default limit."""
DEFAULT_MTU_BYTES = 1500
LEAST_MTU_BYTES = 576
MOST_MTU_BYTES = 65_535
FAULTS_MOST = 64
"""Directed cuts and holds that can be active at once."""
HOPS_MOST = 16
"""Links on one route."""


class Distribution(Enum):
    """How a delay varies around its mean; netem's names."""

    UNIFORM = "uniform"
    NORMAL = "normal"
    PARETO = "pareto"
    PARETONORMAL = "paretonormal"


@dataclass(frozen=True, slots=True, kw_only=True)
class GilbertElliott:
    """Bursty loss: a chain of a good and a bad state, each with a loss of its own.

    The four parameters of `netem loss gemodel`: p, r, 1-h, 1-k.
    """

    good_to_bad: float
    bad_to_good: float
    loss_in_bad: float = 1.0
    loss_in_good: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """How one direction of a link treats packets."""

    delay_ns: int = 0
    jitter_ns: int = 0
    """Standard deviation of the delay; half the width when uniform."""
    distribution: Distribution = Distribution.UNIFORM
    loss: float = 0.0
    gilbert_elliott: GilbertElliott | None = None
    """Replaces `loss` when given."""
    rate_bit_s: int = 0
    """0: no limit."""
    queue_packets: int = DEFAULT_QUEUE_PACKETS
    """How many packets may wait for the rate; without a rate nothing waits."""
    mtu_bytes: int = DEFAULT_MTU_BYTES
    duplicate: float = 0.0
    reorder: float = 0.0
    """Share of packets that pass without delay, before those sent earlier."""
    corrupt: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of the topology, shared by all pods whose routes cross it."""

    name: str
    """Unique and stable, for example `web--api`."""
    forward: LinkParameters
    """From the first endpoint to the second."""
    backward: LinkParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One link crossed in one direction."""

    link: str
    backward: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Interfaces that share routes and policies: a service's, or one replica's, on a network."""

    name: str
    """Unique, for example `api@back` or `api-2@back`."""
    network: str
    interfaces: tuple[IPv4Address, ...]
    access: LinkParameters | None = None
    """Each interface's own link to the network, crossed by what it sends; None when perfect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How packets get from one group to another.

    Groups on one network reach each other without a route; a route adds links to the way, or leads
    to another network.
    """

    source: str
    target: str
    hops: tuple[Hop, ...]


class FaultKind(Enum):
    """What happens to packets that meet a fault."""

    CUT = "cut"
    """They are lost."""
    HOLD = "hold"
    """They wait until the fault is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Packets from any of `sources` to any of `targets` are cut or held; one direction only."""

    name: str
    kind: FaultKind
    sources: tuple[IPv4Address, ...]
    targets: tuple[IPv4Address, ...]


class Protocol(Enum):
    """Transport protocols that rules tell apart."""

    TCP = "tcp"
    UDP = "udp"


class Direction(Enum):
    """Which side of a connection a policy protects."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Denial(Enum):
    """What becomes of a connection that no rule allows."""

    REJECT = "reject"
    """It is refused at once."""
    DROP = "drop"
    """It is not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int = 0
    last: int = 65_535
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressBlock:
    """A CIDR block with holes; NetworkPolicy's ipBlock."""

    block: IPv4Network
    excepted: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """Allows connections with any of the peers, on any of the ports.

    Peers are groups and blocks together; none of both means everybody. No ports means all.
    """

    groups: tuple[str, ...] = ()
    blocks: tuple[AddressBlock, ...] = ()
    ports: tuple[PortRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Isolates the selected groups in one direction but for what its rules allow.

    Policies add up: a connection is allowed in a direction when no policy selects the group in it,
    or any rule of any that does allows it; it needs both sides' leave. Of policies that deny the
    same connection the first one says how.
    """

    name: str
    """For example `policies[0]`: the place in the file."""
    groups: tuple[str, ...]
    direction: Direction
    rules: tuple[PolicyRule, ...] = ()
    denial: Denial = Denial.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRule:
    """Lets a service reach one name, the names below a domain, or a block of addresses outside.

    `vnet.gateway.parse_rule` makes rules from text. Either `name` or `block` is given.
    """

    text: str
    """The rule as somebody wrote it, for reports."""
    name: str = ""
    """Lower case, without a final dot. `*.example.com` is every name below `example.com`, at any
    depth and without itself; `*` is every name."""
    block: IPv4Network | IPv6Network | None = None
    ports: PortRange


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressLimits:
    """What a service's pods on one node may take of the world outside together; None: no limit."""

    connections: int | None = None
    """Open at once, those being dialled included."""
    transfer_bytes: int | None = None
    """In both directions, since the node began; what goes past it is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """What the pods of a service may reach outside; a service without one reaches nothing."""

    service: str
    rules: tuple[EgressRule, ...] = ()
    limits: EgressLimits = EgressLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedPorts:
    """Ports of a machine that no egress rule opens: those of what runs the deployment itself."""

    addresses: tuple[IPv4Address | IPv6Address, ...]
    ports: tuple[PortRange, ...]
    is_here: bool = False
    """Whether it is the node's own machine; then every address of it counts, loopback too."""
    reason: str
    """Whose they are, for reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfiguration:
    """All of it."""

    seed: int = 0
    """Of every random decision, 0 to 2**64 - 1."""
    groups: tuple[Group, ...] = ()
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    faults: tuple[Fault, ...] = ()
    policies: tuple[Policy, ...] = ()
    gateway: bool = False
    """Whether connects to addresses outside every network go to the egress gateway."""
    egress: tuple[Egress, ...] = ()
    """At most one for each service; without effect while `gateway` is off."""
    guarded: tuple[GuardedPorts, ...] = ()
    """What egress rules do not open, whatever they say."""
