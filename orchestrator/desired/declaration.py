"""What somebody declared of a deployment, all of it: the desired state that is kept.

Owns the value and its changes: a new topology, other numbers of replicas, pods that are stopped and
started. Pure. The store keeps it, `plan.py` and `reconcile.py` find out what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from orchestrator.topology.members import Roster, pod_name
from orchestrator.topology.values import UpdateOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from ipaddress import IPv4Address, IPv4Network

    from orchestrator.cluster.views import NodeState
    from orchestrator.desired.steps import Replace
    from orchestrator.serving.access import ListenAddress
    from orchestrator.topology.schema import ServiceSection, Topology
    from orchestrator.topology.source import TopologySource


class Wanted(Enum):
    """Whether a deployment is to run."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Scale:
    """A number of replicas that takes the place of the file's."""

    replicas: int
    declared: int
    """What the file said at that time; a file that says something else wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalMemory:
    """Under which names and ports portals were open, so that they are again."""

    labels: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """By service and port."""
    shared_host_port: int = 0
    opened: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """Those that somebody opened beside the topology's, by service and port, with the port of this
    machine; 0 shares the node's."""
    closed: frozenset[tuple[str, int]] = frozenset()
    """Those of the topology that somebody closed; they open again with the next topology."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMemory:
    """What was done to the network at run time, with times since the epoch."""

    changes: tuple[tuple[str, float | None], ...] = ()
    """Each a change, as text, and when it ends by itself."""
    resumes: Mapping[str, float] = field(default_factory=dict)
    """When paused pods go on."""
    schedule_began_s: float | None = None
    schedule_done: int = 0
    """Entries of the schedule that have been."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """The life that a pod had when another one was to begin; done once it has another."""

    generation: int
    replaced: bool = False
    """Whether it was to be replaced although nothing differs, and not only started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is kept of a deployment."""

    revision: int = 0
    """Grows by one with each topology that is applied."""
    wanted: Wanted = Wanted.DOWN
    source: TopologySource | None = None
    previous: TopologySource | None = None
    """The topology before, to which a failed update goes back."""
    rolled_back: bool = False
    """Whether the topology is one that a failed update went back to."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    """Services and pods."""
    surges: Mapping[str, int] = field(default_factory=dict)
    """Pods that services have only as long as their others are replaced."""
    standing: Mapping[str, str] = field(default_factory=dict)
    """Services whose replacement came to a stand, and why."""
    leases: Mapping[tuple[str, str], IPv4Address] = field(default_factory=dict)
    """By network and pod."""
    subnets: Mapping[str, IPv4Network] = field(default_factory=dict)
    portals: PortalMemory = PortalMemory()
    network: NetworkMemory = NetworkMemory()
    renewals: Mapping[str, Renewal] = field(default_factory=dict)
    """Pods that are to begin another life, by name: begun before it is kept, it would be lost with
    an orchestrator that is killed between their end and their start."""
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    """Nodes that somebody had take no more pods."""
    listening: ListenAddress | None = None
    """Where requests are taken besides the control socket."""


def with_topology(
    before: Declaration,
    source: TopologySource,
    topology: Topology,
    selected: Collection[str] = (),
    *,
    rolled_back: bool = False,
) -> Declaration:
    """Declare a topology.

    What was scaled stays so unless the file says something else than it did; what was stopped is
    started.

    Args:
        before: What was declared.
        source: The file.
        topology: What it says.
        selected: The only services to start, with those that they depend on; none means all.
        rolled_back: Whether a failed update makes us go back to it.
    """
    scales = {
        service: scale
        for service, scale in before.scales.items()
        if service in topology.services
        and topology.services[service].deploy.replicas == scale.declared
    }
    again = before.wanted is Wanted.UP and before.source is not None
    return replace(
        before,
        revision=before.revision + 1,
        wanted=Wanted.UP,
        source=source,
        previous=before.source if again and not rolled_back else None,
        rolled_back=rolled_back,
        scales=scales if again else {},
        stopped=_left_alone(before, topology, selected) if selected else frozenset(),
        surges={},
        standing={},
        portals=replace(before.portals, closed=frozenset()),
    )


def with_portal(before: Declaration, service: str, port: int, host_port: int) -> Declaration:
    """Declare a portal beside those of the topology."""
    key = (service, port)
    memory = before.portals
    portals = replace(
        memory, opened={**memory.opened, key: host_port}, closed=memory.closed - {key}
    )
    return replace(before, portals=portals)


def without_portals(before: Declaration, keys: Iterable[tuple[str, int]]) -> Declaration:
    """Declare that portals are not to be open."""
    closed = frozenset(keys)
    memory = before.portals
    opened = {key: host for key, host in memory.opened.items() if key not in closed}
    return replace(before, portals=replace(memory, opened=opened, closed=memory.closed | closed))


def with_scale(before: Declaration, topology: Topology, replicas: Mapping[str, int]) -> Declaration:
    """Declare other numbers of replicas."""
    scales = dict(before.scales)
    for service, count in replicas.items():
        declared = topology.services[service].deploy.replicas
        scales[service] = Scale(count, declared)
        if count == declared:
            del scales[service]
    return replace(before, scales=scales)


def with_stopped(before: Declaration, targets: Iterable[str]) -> Declaration:
    """Declare that services and pods are not to run."""
    return replace(before, stopped=before.stopped | frozenset(targets))


def with_started(before: Declaration, topology: Topology, targets: Iterable[str]) -> Declaration:
    """Declare that services and pods are to run again."""
    roster = Roster(effective(topology, before))
    stopped = set(before.stopped)
    for target in targets:
        member = roster.find(target)
        pods = roster.pods([member])
        if member.replica is not None and member.service in stopped:
            stopped.discard(member.service)
            others = roster.pods([roster.find(member.service)])
            stopped.update(others)
        stopped.discard(target)
        stopped.difference_update(pods)
    return replace(before, stopped=frozenset(stopped))


def at_end(before: Declaration) -> Declaration:
    """Declare that nothing is to run, and forget what was done by hand."""
    return Declaration(
        revision=before.revision,
        wanted=Wanted.DOWN,
        source=before.source,
        previous=None,
    )


def effective(topology: Topology, declaration: Declaration) -> Topology:
    """The topology with as many replicas as there are to be now."""
    services: dict[str, ServiceSection] = {}
    for name, service in topology.services.items():
        count = replicas_of(service, name, declaration) + declaration.surges.get(name, 0)
        if count != service.deploy.replicas:
            deploy = service.deploy.model_copy(update={"replicas": count})
            services[name] = service.model_copy(update={"deploy": deploy})
    return topology.model_copy(update={"services": {**topology.services, **services}})


def replicas_of(service: ServiceSection, name: str, declaration: Declaration) -> int:
    """How many replicas a service is to have, but for those that an update borrows."""
    scale = declaration.scales.get(name)
    return service.deploy.replicas if scale is None else scale.replicas


def surge_pods(topology: Topology, declaration: Declaration) -> dict[str, tuple[str, ...]]:
    """The pods that services have only as long as their others are replaced."""
    pods = {}
    for service, count in declaration.surges.items():
        if service in topology.services:
            first = replicas_of(topology.services[service], service, declaration) + 1
            pods[service] = tuple(pod_name(service, first + i) for i in range(count))
    return pods


def needed_surges(
    topology: Topology, declaration: Declaration, replacements: Iterable[Replace]
) -> dict[str, int]:
    """How many pods each service borrows, so that its update never has fewer than it should."""
    counts: dict[str, int] = {}
    for step in replacements:
        if not step.at_once:
            counts[step.pod.spec.service] = counts.get(step.pod.spec.service, 0) + 1
    needed = {}
    for service, count in counts.items():
        section = topology.services[service].deploy
        config = section.rollback_config if declaration.rolled_back else section.update_config
        if config.order is UpdateOrder.START_FIRST:
            needed[service] = min(config.parallelism or count, count)
    return needed


def _left_alone(
    before: Declaration, topology: Topology, selected: Collection[str]
) -> frozenset[str]:
    """The services that nobody selected, directly or as a dependency, and that do not run."""
    wanted: set[str] = set()
    waiting = list(selected)
    while waiting:
        service = waiting.pop()
        if service not in wanted:
            wanted.add(service)
            waiting.extend(topology.services[service].depends_on)
    if before.wanted is Wanted.UP:
        return frozenset(
            name for name in before.stopped if name.rpartition("-")[0] not in wanted
        ).difference(wanted)
    return frozenset(topology.services).difference(wanted)
