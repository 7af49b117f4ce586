"""A running deployment as those see it who look at it from outside.

Owns the values that go over the control socket: what runs, which links and faults there are, what
happens. Pods are `phases.PodView`s. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.topology.values import LinkDirection
from pod_node.status import Synced as Synced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address

    from orchestrator.desired.steps import StepView
    from orchestrator.events.happenings import EventFacts
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView
    from pod_node.status import EventsLost, OpenPortal
    from vnet.configuration import FaultKind, LinkParameters, NetworkConfiguration
    from vnet.egress import EgressHappening
    from vnet.ping import NumberedEcho


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A link as it is now."""

    name: str
    first: str
    """Service or pod at its first end; forward is from here."""
    second: str
    network: str
    forward: LinkParameters
    backward: LinkParameters
    declared: bool = True
    """Whether the topology has it; otherwise it was made while the deployment runs."""
    changed: bool = False
    """Whether it is not as the topology says."""
    remaining_s: float | None = None
    """Until the first of its temporary changes ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultView:
    """A partition or a hold that is active."""

    name: str
    kind: FaultKind
    sides: tuple[tuple[str, ...], ...]
    """Services and pods, as somebody named them."""
    oneway: bool = False
    """Whether only what the first side sends is concerned."""
    remaining_s: float | None = None
    """Until it ends by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """A service as it is declared."""

    name: str
    desired_pods: int
    ports: tuple[int, ...] = ()
    """For which it declares portals, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOrder:
    """How a topology is to be taken up."""

    force_recreate: bool = False
    """Replace pods that do not differ, too."""
    services: tuple[str, ...] = ()
    """The only ones to start, with those that they depend on; none means all."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Numbers that take the place of the file's, by service."""


AS_IT_IS = ApplyOrder()


class PortalOrigin(Enum):
    """Why a portal is open."""

    TOPOLOGY = "topology"
    """The topology declares it."""
    OPENED = "opened"
    """Somebody opened it; it is so until somebody closes it, or the deployment ends."""


@dataclass(frozen=True, slots=True)
class PortalView:
    """A portal, and where it comes from."""

    portal: OpenPortal
    origin: PortalOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """A deployment as it stands."""

    name: str
    topology_path: str
    """Empty for a topology that came from standard input."""
    topology_text: str
    """The file as it was read at the start."""
    started_at_s: float
    """Seconds since the epoch."""
    process_id: int
    pods: tuple[PodView, ...]
    portals: tuple[OpenPortal, ...]
    configuration: NetworkConfiguration
    faults: tuple[FaultView, ...]
    services: tuple[ServiceView, ...] = ()
    """In the topology's order."""
    revision: int = 0
    """Grows by one with each topology that is applied."""
    rollouts: tuple[RolloutView, ...] = ()
    node_process_id: int = 0
    """0 while there is no node."""
    node_loss: str = ""
    """Why the node before this one was lost."""


@dataclass(frozen=True, slots=True)
class PodShown:
    """A pod changed."""

    view: PodView


@dataclass(frozen=True, slots=True)
class PodDropped:
    """A pod is gone for good."""

    pod: str


@dataclass(frozen=True, slots=True)
class PlanTaken:
    """A topology is being made real, or somebody scaled, stopped, started or restarted pods."""

    steps: tuple[StepView, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class RolloutShown:
    """A service's pods are being replaced."""

    view: RolloutView


@dataclass(frozen=True, slots=True)
class NodeGone:
    """The node ended by itself; its pods are started again."""

    reason: str


@dataclass(frozen=True, slots=True)
class LinkShown:
    """A link has other parameters now."""

    view: LinkView


@dataclass(frozen=True, slots=True)
class FaultBegun:
    """A partition or a hold began."""

    view: FaultView


@dataclass(frozen=True, slots=True)
class FaultEnded:
    """A partition or a hold ended."""

    name: str


@dataclass(frozen=True, slots=True)
class Remarked:
    """Something else that a person should know; the event's text says it."""

    failure: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody wanted to take part over the network and was not let in."""

    peer: str
    """Address and port."""
    reason: str


DeploymentHappening: TypeAlias = (
    "PodShown | PodDropped | PlanTaken | RolloutShown | NodeGone | LinkShown | FaultBegun "
    "| FaultEnded | Remarked | Refused | EgressHappening | Synced | EventsLost"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentEvent:
    """One thing that happened to a deployment."""

    sequence: int
    time_s: float
    """Seconds since the epoch."""
    text: str
    """One line for people."""
    happening: DeploymentHappening
    facts: EventFacts
    """The same for programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrder:
    """Which events somebody wants to hear of."""

    since_s: float | None = None
    """Begin with those from this time on, as far as they are kept; None begins with the next."""
    until_s: float | None = None
    """End before those from after this time; None goes on."""
    initial_state: bool = False
    """Begin with everything as it stands."""
    types: frozenset[str] = frozenset()
    """None means all."""
    members: frozenset[str] = frozenset()
    """Services and pods; none means all."""

    def wants(self, facts: EventFacts) -> bool:
        """Tell whether an event is meant; that everything was told always is."""
        if facts.action in ("synced", "events-lost"):
            return True
        if self.types and facts.type not in self.types:
            return False
        return not self.members or facts.concerns(self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class PingEnds:
    """Who asks whom."""

    source: str
    source_address: IPv4Address
    target: str
    """Empty for an address that is no pod's."""
    target_address: IPv4Address


PingStep: TypeAlias = "PingEnds | NumberedEcho"
"""Who asks whom, then what becomes of each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAim:
    """Capture what a pod sends and receives on one network."""

    pod: str
    network: str | None = None
    """None for its first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAim:
    """Capture what crosses a link."""

    first: str
    second: str
    network: str | None = None
    """None where the two share only one."""
    direction: LinkDirection = LinkDirection.BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder:
    """Which packets somebody wants to see."""

    aim: PodAim | LinkAim
    filter: str = ""
    """An expression of pcap-filter(7) that may name pods and services; empty means all."""
    snapshot_bytes: int = 0
    """Kept of each packet; 0 keeps all."""
    count: int = 0
    """0 goes on until told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOrder:
    """Which lines of logs somebody wants to read."""

    targets: tuple[str, ...] = ()
    """Services and pods; none means all."""
    follow: bool = False
    """Go on with lines as they are written."""
    tail: int | None = None
    """How many of each pod's last lines to begin with; None means all that are kept."""
    since_s: float | None = None
    """Leave out lines from before this time; None is the start of the deployment."""
    until_s: float | None = None
    """Leave out lines from after this time."""
