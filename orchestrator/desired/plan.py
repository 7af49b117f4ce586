"""From a topology to everything that has to exist for it: networks, pods, names, portals, volumes.

Owns the order of the start, the names and addresses of pods, and the complete description that a
pod node boots each one from. Pure: the same topology, folder and leases always give the same plan.
Which step of the plan comes when is `lifecycle/`'s business, finding mistakes in a topology is
`topology/`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.desired.names import PublishedName, published_names
from orchestrator.network.adjacency import NetworkMap
from orchestrator.placement import Placing, placing_of
from orchestrator.topology.members import pod_name
from orchestrator.topology.schema import DEFAULT_NETWORK, TmpfsOptions, VolumeKind
from orchestrator.topology.values import Condition, RestartPolicy, UpdatePolicy
from pod_node.spec import HealthCheck, Interface, Limits, Mount, PodSpec, ProbeKind, Tmpfs
from vnet.errors import AddressTakenError
from vnet.ipam import AddressPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network
    from pathlib import Path

    from orchestrator.topology.schema import (
        HealthcheckSection,
        RollbackSection,
        ServiceSection,
        Topology,
        UpdateSection,
    )
    from vnet.ipam import AddressPool

__all__ = [
    "Condition",
    "Dependency",
    "Plan",
    "PlannedNetwork",
    "PlannedPod",
    "PlannedPortal",
    "PlannedVolume",
    "PublishedName",
    "make_plan",
    "pod_name",
]

_VOLUMES_FOLDER = "volumes"

Leases: TypeAlias = "Mapping[tuple[str, str], IPv4Address]"
"""Addresses that pods of a running deployment hold, by network and pod name."""

_Addresses: TypeAlias = "dict[tuple[str, str], IPv4Address]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNetwork:
    """A network and its range."""

    name: str
    subnet: IPv4Network
    gateway: IPv4Address
    """The network's own address; no pod has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """What a pod waits for before it starts."""

    service: str
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPod:
    """One replica of a service."""

    spec: PodSpec
    replica: int
    """Counts from 1."""
    names: tuple[PublishedName, ...]
    """Names shared with other replicas (`api`, `api.back`) come before its own."""
    depends_on: tuple[Dependency, ...]
    restart: RestartPolicy
    grace_s: float = 0.0
    """How long it may take to end when it is asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPortal:
    """A port of a service that is opened on this machine, served by its pods in turn."""

    service: str
    port: int
    """The port inside the pods."""
    host_port: int | None
    """The port on this machine; None leaves the choice to the portal."""
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVolume:
    """A named volume and the folder that holds it."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that has to exist for a topology."""

    name: str
    networks: tuple[PlannedNetwork, ...]
    levels: tuple[tuple[str, ...], ...]
    """Services in the order of their start; those of one level wait for none of each other."""
    pods: tuple[PlannedPod, ...]
    """In the order of the levels."""
    portals: tuple[PlannedPortal, ...]
    volumes: tuple[PlannedVolume, ...]
    updates: Mapping[str, UpdatePolicy] = field(default_factory=dict)
    """How the pods of each service are replaced."""
    rollbacks: Mapping[str, UpdatePolicy] = field(default_factory=dict)
    """How they are when the deployment goes back to the topology before."""
    placing: Placing = field(default_factory=Placing)
    """What the choice of nodes for its pods is made from."""

    @property
    def addresses(self) -> dict[tuple[str, str], IPv4Address]:
        """Who has which address, by network and pod name."""
        return {
            (interface.network, pod.spec.name): interface.address
            for pod in self.pods
            for interface in pod.spec.interfaces
        }


def make_plan(
    topology: Topology,
    *,
    state_dir: Path,
    leases: Leases | None = None,
    subnets: Mapping[str, IPv4Network] | None = None,
) -> Plan:
    """Work out everything that has to exist for a topology.

    Preconditions: the topology was loaded without errors.

    Args:
        topology: What is declared.
        state_dir: The deployment's folder; named volumes live below it.
        leases: Addresses to keep; those of pods that the topology does not have are given to
            nobody else. Without any, an address follows from its service's place in the file and
            the replica's number alone, as long as the replicas fit into the service's share of the
            network.
        subnets: Ranges to keep of networks that declare none.
    """
    address_plan = _address_plan(topology, subnets or {})
    addresses = _allocate(topology, address_plan, leases or {})
    folder = state_dir / _VOLUMES_FOLDER
    levels = _levels(topology)
    network_map = NetworkMap(topology)
    return Plan(
        name=topology.name,
        networks=tuple(
            PlannedNetwork(name=pool.network, subnet=pool.subnet, gateway=pool.gateway)
            for pool in address_plan.pools
        ),
        levels=levels,
        pods=tuple(
            _pod(
                service,
                topology.services[service],
                replica,
                address_plan,
                addresses,
                network_map,
                folder,
            )
            for level in levels
            for service in level
            for replica in _replicas(topology.services[service])
        ),
        portals=tuple(_portals(topology)),
        volumes=tuple(PlannedVolume(name=name, folder=folder / name) for name in topology.volumes),
        updates={
            name: _policy(service.deploy.update_config)
            for name, service in topology.services.items()
        },
        placing=placing_of(topology),
        rollbacks={
            name: _policy(service.deploy.rollback_config)
            for name, service in topology.services.items()
        },
    )


def _policy(section: UpdateSection | RollbackSection) -> UpdatePolicy:
    return UpdatePolicy(
        parallelism=section.parallelism,
        delay_s=section.delay,
        failure_action=section.failure_action,
        monitor_s=section.monitor,
        order=section.order,
    )


def _replicas(service: ServiceSection) -> range:
    return range(1, service.deploy.replicas + 1)


def _address_plan(topology: Topology, subnets: Mapping[str, IPv4Network]) -> AddressPlan:
    plan = AddressPlan()
    undeclared: list[str] = []
    for name, network in topology.networks.items():
        if network.subnet is None:
            undeclared.append(name)
        else:
            plan.add(name, network.subnet)
    attached = {name for service in topology.services.values() for name in service.attached}
    if DEFAULT_NETWORK in attached and DEFAULT_NETWORK not in topology.networks:
        undeclared.append(DEFAULT_NETWORK)
    for name in undeclared:
        kept = subnets.get(name)
        if kept is not None and not any(kept.overlaps(pool.subnet) for pool in plan.pools):
            plan.add(name, kept)
    for name in undeclared:
        if all(pool.network != name for pool in plan.pools):
            plan.add_automatic(name)
    return plan


def _allocate(topology: Topology, plan: AddressPlan, leases: Leases) -> _Addresses:
    """Give every pod an address on each of its networks."""
    addresses: _Addresses = {}
    for pool in plan.pools:
        members = [
            (group, replica, pod_name(service, replica))
            for group, (service, section) in enumerate(_attached(topology, pool.network))
            for replica in _replicas(section)
        ]
        held = [owner for network, owner in leases if network == pool.network]
        granted = _keep(pool, held, leases)
        for group, replica, name in members:
            wanted = pool.preferred(group, replica - 1)
            if name not in granted and wanted is not None and pool.holder(wanted) is None:
                pool.claim(wanted, name)
                granted[name] = wanted
        for _, _, name in members:
            addresses[pool.network, name] = granted.get(name) or pool.allocate(name)
    return addresses


def _attached(topology: Topology, network: str) -> list[tuple[str, ServiceSection]]:
    return [item for item in topology.services.items() if network in item[1].attached]


def _keep(pool: AddressPool, names: Sequence[str], leases: Leases) -> dict[str, IPv4Address]:
    """Honour the leases that still make sense on a network."""
    kept: dict[str, IPv4Address] = {}
    for name in names:
        address = leases.get((pool.network, name))
        if address is None:
            continue
        try:
            pool.claim(address, name)
        except AddressTakenError:
            continue  # The network's range has changed since; the pod gets a fresh address.
        kept[name] = address
    return kept


def _levels(topology: Topology) -> tuple[tuple[str, ...], ...]:
    position = {service: index for index, service in enumerate(topology.services)}
    sorter = TopologicalSorter({name: s.depends_on for name, s in topology.services.items()})
    sorter.prepare()
    levels = []
    while sorter.is_active():
        level = sorter.get_ready()
        sorter.done(*level)
        levels.append(tuple(sorted(level, key=position.__getitem__)))
    return tuple(levels)


def _pod(
    service: str,
    section: ServiceSection,
    replica: int,
    plan: AddressPlan,
    addresses: _Addresses,
    networks: NetworkMap,
    folder: Path,
) -> PlannedPod:
    name = pod_name(service, replica)
    interfaces = tuple(
        Interface(
            network=network,
            address=addresses[network, name],
            prefix=plan[network].subnet.prefixlen,
        )
        for network in section.attached
    )
    return PlannedPod(
        spec=PodSpec(
            name=name,
            service=service,
            image=section.image,
            command=section.command,
            environment=tuple((key, text or "") for key, text in section.environment.items()),
            working_dir=section.working_dir or "/",
            mounts=_mounts(section, folder),
            interfaces=interfaces,
            tmpfs=_tmpfs(section),
            limits=_limits(section),
            healthcheck=_healthcheck(section.healthcheck),
            stop_signal=section.stop_signal,
            stdin_open=section.stdin_open,
            tty=section.tty,
        ),
        replica=replica,
        names=tuple(published_names(service, name, interfaces, networks)),
        depends_on=tuple(
            Dependency(service=other, condition=entry.condition)
            for other, entry in section.depends_on.items()
        ),
        restart=section.restart,
        grace_s=section.stop_grace_period,
    )


def _limits(section: ServiceSection) -> Limits:
    disk, limits = section.storage_opt.size, section.deploy.resources.limits
    default = Limits()
    return Limits(
        memory_bytes=default.memory_bytes if limits.memory is None else limits.memory,
        cpus=limits.cpus,
        processes=limits.pids or default.processes,
        disk_bytes=disk,
    )


def _mounts(section: ServiceSection, folder: Path) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            # A bind's source is absolute, so joining leaves it as it is.
            source=folder / volume.source,
            target=volume.target,
            read_only=volume.read_only,
        )
        for volume in section.volumes
        if volume.type is not VolumeKind.TMPFS
    )


def _tmpfs(section: ServiceSection) -> tuple[Tmpfs, ...]:
    """Both ways to write one mean the same."""
    long = [
        Tmpfs(target=volume.target, size_bytes=(volume.tmpfs or TmpfsOptions()).size)
        for volume in section.volumes
        if volume.type is VolumeKind.TMPFS
    ]
    short = [Tmpfs(target=tmpfs.target, size_bytes=tmpfs.size) for tmpfs in section.tmpfs]
    return (*long, *short)


def _healthcheck(section: HealthcheckSection | None) -> HealthCheck | None:
    if section is None or section.is_off:
        return None
    if section.http is not None:
        kind, port, path = ProbeKind.HTTP, section.http.port, section.http.path
    elif section.tcp is not None:
        kind, port, path = ProbeKind.TCP, section.tcp, "/"
    elif section.test:
        kind, port, path = ProbeKind.COMMAND, 0, "/"
    else:
        raise AssertionError("the schema refuses a healthcheck without a probe")
    return HealthCheck(
        kind=kind,
        port=port,
        path=path,
        command=section.test,
        interval_s=section.interval,
        timeout_s=section.timeout,
        retries=section.retries,
        start_period_s=section.start_period,
        start_interval_s=section.start_interval,
    )


def _portals(topology: Topology) -> Iterator[PlannedPortal]:
    for service, section in topology.services.items():
        pods = tuple(pod_name(service, replica) for replica in _replicas(section))
        for port in section.ports:
            yield PlannedPortal(
                service=service, port=port.target, host_port=port.published, pods=pods
            )
