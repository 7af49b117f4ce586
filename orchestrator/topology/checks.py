"""What must hold between a topology's parts: names exist, orders end, addresses fit.

Owns these rules, each a function from the model to findings, and the order of all rules; those
about links, policies and schedules are its neighbours'. Pure: whether a folder exists is
`resolution.py`'s business, whether an image exists the image store's. A rule stays silent about
parts that were broken already.
"""

from __future__ import annotations

import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from orchestrator.topology.checks_links import check_links
from orchestrator.topology.checks_placement import check_placement
from orchestrator.topology.checks_policies import check_egress, check_policies
from orchestrator.topology.checks_schedule import check_schedule
from orchestrator.topology.fields import MAX_REPLICAS
from orchestrator.topology.inspection import Inspection
from orchestrator.topology.problems import Path, path_text, quoted, suggestion
from orchestrator.topology.schema import DEFAULT_NETWORK, Topology, VolumeKind
from orchestrator.topology.validation import Finding, Validated
from orchestrator.topology.values import Condition
from vnet.addresses import SHORTEST_PREFIX, pod_capacity
from vnet.errors import NoFreeSubnetError, SubnetOverlapError
from vnet.ipam import AddressPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import networkx as nx

MAX_LABEL = 63
"""RFC 1035 2.3.4."""
MAX_SERVICE_NAME = MAX_LABEL - len(f"-{MAX_REPLICAS}")
"""A replica's name is a label too."""

MAX_NETWORKS = 64
"""The node's own interfaces, one on each (`NETWORKS_MOST` in `vnet/fabric/pods/network.h`)."""
MAX_ATTACHED = 8
"""Interfaces of a pod (`INTERFACES_MOST` in `vnet/fabric/pods/network.h`)."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_VOLUME_NAME_RULE = "use letters, digits, dots, dashes and underscores"
_REPLICA_NAME = re.compile(r"(.+)-[0-9]+")
_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")
_RESERVED_NAMES = ("localhost",)


def check(validated: Validated) -> Iterator[Finding]:
    """Everything that does not hold in a model, with paths in the file."""
    topology = validated.topology
    if topology is None:
        return
    for rule in (
        _names,
        _lookalikes,
        _networks,
        _routers,
        _dependencies,
        _cycles,
        _volumes,
        _ports,
        _addresses,
    ):
        yield from _placed(rule(topology, validated), validated)
    inspection = Inspection(topology, validated)
    for look in (check_links, check_policies, check_egress, check_schedule, check_placement):
        look(inspection)
    yield from _placed(inspection.findings, validated)


def _placed(findings: Iterable[Finding], validated: Validated) -> Iterator[Finding]:
    for finding in findings:
        yield Finding(validated.original(finding.path), finding.message, finding.at_key)


def _names(topology: Topology, validated: Validated) -> Iterator[Finding]:
    if not validated.is_damaged("name") and (wrong := label_fault(topology.name, MAX_LABEL)):
        yield Finding(("name",), wrong)
    for service in topology.services:
        if wrong := label_fault(service, MAX_SERVICE_NAME):
            yield Finding(("services", service), wrong, at_key=True)
    for network in topology.networks:
        if wrong := label_fault(network, MAX_LABEL):
            yield Finding(("networks", network), wrong, at_key=True)
    for volume in topology.volumes:
        if not _VOLUME_NAME.fullmatch(volume):
            message = f"{quoted(volume)} cannot name a volume: {_VOLUME_NAME_RULE}"
            yield Finding(("volumes", volume), message, at_key=True)


def label_fault(name: str, longest: int) -> str | None:
    """What keeps a name from being a DNS label."""
    if len(name) > longest:
        return f"the name {quoted(name)} is longer than {longest} characters"
    if name in _RESERVED_NAMES:
        return f"the name {quoted(name)} has a meaning of its own; choose another"
    if _LABEL.fullmatch(name) and not name.isdigit():
        return None
    better = _NOT_IN_LABEL.sub("-", name.lower()).strip("-")
    usable = bool(better) and not better.isdigit()
    hint = f"; for example {quoted(better)}" if usable and better != name else ""
    rule = "lower-case letters, digits and inner dashes, with at least one letter"
    return f"{quoted(name)} is not a DNS label: use {rule}{hint}"


def _lookalikes(topology: Topology, _: Validated) -> Iterator[Finding]:
    for service in topology.services:
        match = _REPLICA_NAME.fullmatch(service)
        if match and match[1] in topology.services:
            message = (
                f"{quoted(service)} is also the name of a replica of service {quoted(match[1])}; "
                "rename one of them"
            )
            yield Finding(("services", service), message, at_key=True)


def _networks(topology: Topology, validated: Validated) -> Iterator[Finding]:
    if len(topology.network_names) > MAX_NETWORKS:
        message = f"more than {MAX_NETWORKS} networks; let services share some"
        yield Finding(("networks",), message, at_key=True)
    for service, section in topology.services.items():
        if len(section.attached) > MAX_ATTACHED:
            path: Path = ("services", service, "networks")
            message = f"a pod is on {MAX_ATTACHED} networks at most; let routers join the others"
            yield Finding(path, message, at_key=True)
        for network in section.networks:
            known = network in topology.networks or network == DEFAULT_NETWORK
            if known or validated.is_damaged("networks", network):
                continue
            hint = suggestion(network, topology.networks, what="declared networks")
            message = f"unknown network {quoted(network)}; {hint}"
            yield Finding(("services", service, "networks", network), message, at_key=True)


def _routers(topology: Topology, validated: Validated) -> Iterator[Finding]:
    for service, section in topology.services.items():
        damaged = validated.is_damaged_within("services", service, "networks")
        if section.router and len(section.attached) < 2 and not damaged:
            message = f"a router joins networks, and {quoted(service)} is on one only; add another"
            yield Finding(("services", service, "router"), message, at_key=True)


def _dependencies(topology: Topology, validated: Validated) -> Iterator[Finding]:
    for service, section in topology.services.items():
        for name, dependency in section.depends_on.items():
            path: Path = ("services", service, "depends_on", name)
            if validated.is_damaged("services", name):
                continue
            target = topology.services.get(name)
            if target is None:
                others = [other for other in topology.services if other != service]
                hint = suggestion(name, others, what="other services")
                yield Finding(path, f"unknown service {quoted(name)}; {hint}", at_key=True)
            elif (
                dependency.condition is Condition.HEALTHY
                and not target.has_probe
                and not validated.is_damaged("services", name, "healthcheck")
            ):
                message = (
                    f"waits until {quoted(name)} is healthy, but that service has no healthcheck; "
                    f'add one to it, or use "condition: {Condition.STARTED.value}"'
                )
                yield Finding(path, message, at_key=True)


def _cycles(topology: Topology, _: Validated) -> Iterator[Finding]:
    if not _has_cycle(topology):
        return
    import networkx as nx  # here: few topologies have a cycle, and it takes long to import

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(topology.services)
    graph.add_edges_from(
        (service, name)
        for service, section in topology.services.items()
        for name in section.depends_on
        if name in topology.services and name != service
    )
    component_of = {
        service: component
        for component in nx.strongly_connected_components(graph)
        for service in component
        if len(component) > 1
    }
    reported: set[str] = set()
    for service, section in topology.services.items():
        if service in section.depends_on:
            message = f"a service cannot wait for itself: {service} -> {service}; remove this"
            yield Finding(("services", service, "depends_on", service), message, at_key=True)
        if service in component_of and service not in reported:
            reported |= component_of[service]
            cycle = _cycle_through(graph.subgraph(component_of[service]), service)
            message = f"services wait for each other: {' -> '.join(cycle)}; remove one of these"
            yield Finding(("services", service, "depends_on", cycle[1]), message, at_key=True)


def _has_cycle(topology: Topology) -> bool:
    sorter = TopologicalSorter(
        {
            service: [name for name in section.depends_on if name != service]
            for service, section in topology.services.items()
        }
    )
    try:
        sorter.prepare()
    except CycleError:
        return True
    return False


def _cycle_through(component: nx.DiGraph[str], service: str) -> list[str]:
    """The shortest way from a service along its dependencies back to itself."""
    import networkx as nx

    ways = [nx.shortest_path(component, name, service) for name in component.successors(service)]
    return [service, *min(ways, key=len)]


def _volumes(topology: Topology, validated: Validated) -> Iterator[Finding]:
    for service, section in topology.services.items():
        seen: dict[str, int] = {}
        for index, volume in enumerate(section.volumes):
            path: Path = ("services", service, "volumes", index)
            first = seen.setdefault(volume.target, index)
            if first != index:
                message = f"two volumes are mounted at {quoted(volume.target)}; remove one"
                yield Finding(path, message)
            unknown = volume.type is VolumeKind.VOLUME and volume.source not in topology.volumes
            if unknown and not validated.is_damaged("volumes", volume.source):
                yield Finding(path, _unknown_volume(volume.source, topology))
        for index, tmpfs in enumerate(section.tmpfs):
            first = seen.setdefault(tmpfs.target, -1 - index)
            if first != -1 - index:
                message = f"something else is mounted at {quoted(tmpfs.target)}; remove one"
                yield Finding(("services", service, "tmpfs", index), message)


def _unknown_volume(name: str, topology: Topology) -> str:
    hint = suggestion(name, topology.volumes, what="declared volumes")
    return (
        f"unknown volume {quoted(name)}; {hint}; declare it under the top-level key "
        f'"volumes", or write "./{name}" for a folder beside this file'
    )


def _ports(topology: Topology, validated: Validated) -> Iterator[Finding]:
    pinned: dict[int, Path] = {}
    for service, section in topology.services.items():
        seen: set[int] = set()
        for index, port in enumerate(section.ports):
            path: Path = ("services", service, "ports", index)
            if port.target in seen:
                yield Finding(path, f"port {port.target} is listed twice")
            seen.add(port.target)
            if port.published is None:
                continue
            first = pinned.setdefault(port.published, path)
            if first != path:
                holder = path_text(validated.original(first))
                message = f"port {port.published} of this machine is already taken by {holder}"
                yield Finding(path, f"{message}; pin another one, or none")


def _addresses(topology: Topology, validated: Validated) -> Iterator[Finding]:
    plan = AddressPlan()
    members = Counter[str]()
    for section in topology.services.values():
        members.update(dict.fromkeys(section.attached, section.deploy.replicas))
    for network, declared in topology.networks.items():
        if declared.subnet is None:
            continue
        try:
            plan.add(network, declared.subnet)
        except SubnetOverlapError as error:
            yield Finding(("networks", network, "subnet"), str(error))
        capacity = pod_capacity(declared.subnet)
        if members[network] > capacity:
            what = f"network {quoted(network)} ({declared.subnet})"
            message = _no_room(what, capacity, members[network])
            yield Finding(("networks", network, "subnet"), message)
    yield from _automatic_addresses(topology, validated, plan, members)


def _automatic_addresses(
    topology: Topology, validated: Validated, plan: AddressPlan, members: Counter[str]
) -> Iterator[Finding]:
    implicit = [DEFAULT_NETWORK] if DEFAULT_NETWORK not in topology.networks else []
    automatic = [name for name, section in topology.networks.items() if section.subnet is None]
    for network in (*automatic, *(name for name in implicit if members[name])):
        if validated.is_damaged("networks", network):
            continue
        path: Path = ("networks", network) if network in topology.networks else ("services",)
        try:
            pool = plan.add_automatic(network)
        except NoFreeSubnetError as error:
            yield Finding(path, str(error), at_key=True)
            continue
        if members[network] > pool.capacity:
            what = f"network {quoted(network)} ({pool.subnet})"
            yield Finding(path, _no_room(what, pool.capacity, members[network]), at_key=True)


def _no_room(what: str, capacity: int, wanted: int) -> str:
    fitting = max(32 - (wanted + 2).bit_length(), 0)
    fits = fitting >= SHORTEST_PREFIX
    remedy = f"use a /{fitting} or larger" if fits else "spread the services over more networks"
    pods = f"{capacity} pod" + ("s" if capacity != 1 else "")
    return f"{what} has room for {pods}, and its services have {wanted}; {remedy}"
