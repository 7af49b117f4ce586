"""Groups, links, routes and faults of the virtual network in the kernel: applied by difference.

Owns the numbers by which the kernel knows them, and what the kernel has. Policies and the gateway
are applied by others, with the groups' numbers from here.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pod_node.engine.errors import FabricFullError
from pod_node.engine.link_records import (
    STATISTICS_SIZE,
    link_number,
    pack_parameters,
    unpack_statistics,
)
from vnet.checks import check
from vnet.configuration import FAULTS_MOST, FaultKind, NetworkConfiguration
from vnet.difference import Difference, difference

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.engine.fabric import Fabric
    from vnet.configuration import Fault, Group, Link, LinkParameters, Route
    from vnet.statistics import LinkStatistics

_FAULT_KINDS = {FaultKind.CUT: 1, FaultKind.HOLD: 2}
_NO_FAULT = 0


class Numbers:
    """Numbers of things that have names; a number is not used again, because others remember it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._next = 1

    def give(self, name: str) -> int:
        """Return the number of a name, a new one when it has none."""
        if name not in self._numbers:
            self._numbers[name] = self._next
            self._next += 1
        return self._numbers[name]

    def drop(self, name: str) -> None:
        """Forget a name."""
        del self._numbers[name]

    def __getitem__(self, name: str) -> int:
        return self._numbers[name]

    def as_mapping(self) -> Mapping[str, int]:
        """Return all names with their numbers."""
        return self._numbers


class NetworkTables:
    """What one fabric's kernel knows of the network beside pods and names."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._configuration = NetworkConfiguration()
        self._has_rates = False
        self._networks: Mapping[str, int] = {}
        self._groups = Numbers()
        self._links = Numbers()
        self._faults: dict[str, int] = {}

    @property
    def groups(self) -> Mapping[str, int]:
        """The kernel's numbers of the groups."""
        return self._groups.as_mapping()

    @property
    def links(self) -> Mapping[str, int]:
        """The kernel's numbers of the links."""
        return self._links.as_mapping()

    @property
    def has_rates(self) -> bool:
        """Whether any link, or interface's own link, has a rate."""
        return self._has_rates

    def apply(
        self,
        configuration: NetworkConfiguration,
        networks: Mapping[str, tuple[int, IPv4Network]],
    ) -> None:
        """Make the kernel's tables those of `configuration`; what is equal goes on undisturbed.

        Args:
            configuration: all of it; policies and the gateway are left to others.
            networks: number and subnet of every network that was attached.

        Raises:
            ConfigurationError: it makes no sense; nothing has changed.
            FabricFullError: there is no room for it; the one before is in force again.
        """
        check(configuration, {name: subnet for name, (_, subnet) in networks.items()})
        self._networks = {name: number for name, (number, _) in networks.items()}
        before = self._configuration
        try:
            self._take(difference(before, configuration))
        except OSError as error:
            self._take(difference(configuration, before))
            raise FabricFullError("the network's links and routes") from error
        self._configuration = configuration
        self._has_rates = any(one.rate_bit_s for one in _all_parameters(configuration))

    def link_statistics(self) -> list[LinkStatistics]:
        """Read the counters of every direction of every link, then of groups' own links."""
        found = []
        for link in self._configuration.links:
            for backward in (False, True):
                self._fabric.call(
                    "host_link_statistics", self._links[link.name], backward, self._fabric.staging
                )
                found.append(self._read_statistics(link.name, backward=backward))
        for group in self._configuration.groups:
            if group.access is not None:
                self._fabric.call(
                    "host_access_statistics", self._groups[group.name], self._fabric.staging
                )
                found.append(self._read_statistics(group.name, backward=False))
        return found

    def _read_statistics(self, name: str, *, backward: bool) -> LinkStatistics:
        start = self._fabric.staging
        record = self._fabric.view[start : start + STATISTICS_SIZE]
        return unpack_statistics(record, name, backward=backward)

    def _take(self, steps: Difference) -> None:
        """Take all steps; one that removes what a failed attempt has not made does nothing."""
        if steps.is_empty:
            return
        if steps.seed is not None:
            self._fabric.control.function("host_network_seed", 1).call(steps.seed)
        self._remove(steps)
        for group in (*steps.shrunk_groups, *steps.groups):
            self._set_group(group)
        for link in steps.links:
            self._set_link(link)
        for route in steps.routes:
            self._set_route(route)
        for fault in steps.faults:
            self._set_fault(fault)
        self._fabric.control.call("host_network_commit")

    def _remove(self, steps: Difference) -> None:
        for name in steps.gone_faults:
            if name in self._faults:
                index = self._faults.pop(name)
                self._fabric.call("host_fault_set", index, _NO_FAULT, self._fabric.staging, 0, 0)
        for source, target in steps.gone_routes:
            if source in self.groups and target in self.groups:
                self._call_remove("host_route_remove", self._groups[source], self._groups[target])
        for name in steps.gone_groups:
            if name in self.groups:
                self._call_remove("host_group_remove", self._groups[name])
                self._groups.drop(name)
        for name in steps.gone_links:
            if name in self._links.as_mapping():
                self._call_remove("host_link_remove", self._links[name])
                self._links.drop(name)

    def _call_remove(self, name: str, *arguments: int) -> None:
        result = self._fabric.try_call(name, *arguments)
        if result not in (0, -errno.ENOENT):
            raise OSError(-result, name)

    def _stage(self, *parts: bytes) -> list[int]:
        """Put parts into the staging buffer, and return where each is."""
        places = []
        at = self._fabric.staging
        for part in parts:
            self._fabric.view[at : at + len(part)] = part
            places.append(at)
            at += len(part)
        return places

    def _set_group(self, group: Group) -> None:
        access = b"" if group.access is None else pack_parameters(group.access)
        parameters, members = self._stage(access, _addresses(group.interfaces))
        self._fabric.call(
            "host_group_set",
            self._groups.give(group.name),
            self._networks[group.network],
            parameters if access else 0,
            members,
            len(group.interfaces),
        )

    def _set_link(self, link: Link) -> None:
        (both,) = self._stage(pack_parameters(link.forward) + pack_parameters(link.backward))
        self._fabric.call(
            "host_link_set", self._links.give(link.name), link_number(link.name), both
        )

    def _set_route(self, route: Route) -> None:
        words = [word for hop in route.hops for word in (self._links[hop.link], int(hop.backward))]
        (hops,) = self._stage(struct.pack(f"<{len(words)}I", *words))
        self._fabric.call(
            "host_route_set",
            self._groups[route.source],
            self._groups[route.target],
            hops,
            len(route.hops),
        )

    def _set_fault(self, fault: Fault) -> None:
        if fault.name not in self._faults:
            taken = set(self._faults.values())
            self._faults[fault.name] = next(i for i in range(FAULTS_MOST) if i not in taken)
        (ends,) = self._stage(_addresses(fault.sources) + _addresses(fault.targets))
        self._fabric.call(
            "host_fault_set",
            self._faults[fault.name],
            _FAULT_KINDS[fault.kind],
            ends,
            len(fault.sources),
            len(fault.targets),
        )


def _all_parameters(configuration: NetworkConfiguration) -> Iterator[LinkParameters]:
    for link in configuration.links:
        yield from (link.forward, link.backward)
    for group in configuration.groups:
        if group.access is not None:
            yield group.access


def _addresses(addresses: Sequence[IPv4Address]) -> bytes:
    return struct.pack(f"<{len(addresses)}I", *map(int, addresses))
