"""What a picture of a topology shows, as plain values.

Owns the values and their words: services, networks, links with their parameters, policies as
arrows, faults. Pure. Where they come from is `gathering.py`'s business, how any of it looks the
drawings'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOBODY = "nobody"
"""The other side of a policy without rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBox:
    """A service."""

    name: str
    image: str
    replicas: int
    networks: tuple[str, ...]
    router: bool
    portals: tuple[str, ...]
    """Ports with a portal, `8080` or `80:8080` where this machine's is chosen."""
    state: str = ""
    """How its pods are, in words; empty when nothing runs."""

    @property
    def title(self) -> str:
        """The name, and how many replicas there are unless there is one."""
        times = f" \N{MULTIPLICATION SIGN}{self.replicas}"
        return self.name if self.replicas == 1 else self.name + times


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBar:
    """A network, and what each of its interfaces does to packets."""

    name: str
    subnet: str
    access: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLine:
    """A link between two services or pods."""

    first: str
    second: str
    first_service: str
    second_service: str
    network: str
    forward: str
    """Parameters in words; empty when packets do not notice the link."""
    backward: str
    changed: bool
    """Whether it is not as the topology says."""
    forward_barrier: str = ""
    """What partitions and holds do to packets, in words; empty for nothing."""
    backward_barrier: str = ""

    @property
    def alike(self) -> bool:
        """Whether packets fare alike both ways."""
        ways = (self.forward, self.forward_barrier), (self.backward, self.backward_barrier)
        return ways[0] == ways[1]

    @property
    def turned(self) -> LinkLine:
        """The same link, seen from its other end."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            first_service=self.second_service,
            second_service=self.first_service,
            forward=self.backward,
            backward=self.forward,
            forward_barrier=self.backward_barrier,
            backward_barrier=self.forward_barrier,
        )

    @property
    def label(self) -> str:
        """Both directions in one line."""
        forward, backward = self.way_label, self.turned.way_label
        text = forward if self.alike else f"-> {forward}  <- {backward}"
        return f"{text}  (changed)" if self.changed else text

    @property
    def way_label(self) -> str:
        """What becomes of packets from the first end to the second."""
        barrier = f" ({self.forward_barrier})" if self.forward_barrier else ""
        return (self.forward or "no effect") + barrier


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyArrow:
    """What a policy lets through, from one side to the other."""

    policy: str
    source: str
    target: str
    source_service: str | None
    """None when the side is not a service: a network, a block, everybody, nobody."""
    target_service: str | None
    ports: str
    """Empty for all."""
    denial: str
    """What becomes of everything else."""

    @property
    def sides(self) -> tuple[tuple[str, str | None], ...]:
        """Source and target: the text, and the service if it is one."""
        return (self.source, self.source_service), (self.target, self.target_service)

    @property
    def shut(self) -> bool:
        """Whether nothing passes at all."""
        return (NOBODY, None) in self.sides

    @property
    def label(self) -> str:
        """What becomes of connections between the two sides."""
        if self.shut:
            return f"all is {self.denial}"
        return f"allow {self.ports or 'all ports'}, else {self.denial}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMark:
    """A partition or a hold."""

    name: str
    kind: str
    groups: tuple[tuple[str, ...], ...]
    oneway: bool

    @property
    def label(self) -> str:
        """The groups and what is between them."""
        sign = " -> " if self.oneway else " | "
        return sign.join(", ".join(group) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """All of it."""

    name: str
    services: tuple[ServiceBox, ...]
    networks: tuple[NetworkBar, ...]
    links: tuple[LinkLine, ...]
    policies: tuple[PolicyArrow, ...]
    faults: tuple[FaultMark, ...]
    unreachable: tuple[tuple[str, str], ...]
    """Pairs of services between which no packet can pass."""
