"""The virtual network of one fabric, as the node configures and watches it.

Owns the networks that were attached, the names that were published, and everything that a
`NetworkConfiguration` says: tables and policies in the kernel, egress at the gateway. Runs on the
event loop's thread.
"""

from __future__ import annotations

import errno
import itertools
import time
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from pod_node.engine.captures import open_capture
from pod_node.engine.errors import (
    CaptureRefusedError,
    TooManyNetworksError,
)
from pod_node.engine.flow_records import unpack_flows
from pod_node.engine.interface_records import unpack_interfaces
from pod_node.engine.network_tables import NetworkTables
from pod_node.engine.policies import PolicyTables
from pod_node.engine.traffic_records import unpack_traffic
from pod_node.errors import NetworkConflictError, NetworkNotAttachedError
from vnet.capture import InterfacePlace
from vnet.errors import SubnetOverlapError
from vnet.statistics import NetworkStatistics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.engine.captures import Capture
    from pod_node.engine.fabric import Fabric
    from pod_node.gateway import PodGateway
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.host import Watches
    from vnet.statistics import FlowStatistics, InterfaceStatistics, TrafficStatistics


class FabricNetwork:
    """What pods are wired to."""

    def __init__(self, fabric: Fabric, watches: Watches, gateway: PodGateway) -> None:
        self._fabric = fabric
        self._watches = watches
        self._gateway = gateway
        self._networks: dict[str, tuple[int, IPv4Network]] = {}
        self._published: dict[str, dict[str, tuple[IPv4Address, ...]]] = {}
        self._tables = NetworkTables(fabric)
        self._policies = PolicyTables(fabric)

    @property
    def tables(self) -> NetworkTables:
        """What the kernel has of links and routes."""
        return self._tables

    @property
    def numbers(self) -> dict[str, int]:
        """The kernel's numbers of the networks."""
        return {name: number for name, (number, _) in self._networks.items()}

    def attach(self, name: str, subnet: IPv4Network) -> None:
        """Declare a network; the host takes its first address, the gateway's.

        Raises:
            NetworkConflictError: it exists with another subnet.
            SubnetOverlapError: another network has some of its addresses.
            TooManyNetworksError: the host cannot be on one more.
        """
        known = self._networks.get(name)
        if known is not None:
            if known[1] != subnet:
                raise NetworkConflictError(name, str(subnet), str(known[1]))
            return
        for other, (_, taken) in self._networks.items():
            if subnet.overlaps(taken):
                raise SubnetOverlapError(name, str(subnet), other, str(taken))
        taken_numbers = set(self.numbers.values())
        number = next(n for n in itertools.count(1) if n not in taken_numbers)
        gateway = subnet.network_address + 1
        result = self._fabric.try_call("host_attach", number, int(gateway), subnet.prefixlen)
        if result < 0:
            raise TooManyNetworksError(name, len(self._networks))
        self._fabric.name_network(number, name)
        self._networks[name] = (number, subnet)
        self._gateway.attach(name, subnet)

    def detach(self, name: str) -> None:
        """Take a network away on which no pod is; one that does not exist counts as taken away."""
        if name not in self._networks:
            return
        self.publish(name, {})
        self._gateway.detach(name)
        _, subnet = self._networks.pop(name)
        self._published.pop(name, None)
        self._fabric.call("host_detach", int(subnet.network_address + 1))

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names that pods on `network` can look up.

        Raises:
            NetworkNotAttachedError: there is no such network.
        """
        if network not in self._networks:
            raise NetworkNotAttachedError(network)
        number = self._networks[network][0]
        before = self._published.get(network, {})
        known = {name: tuple(addresses) for name, addresses in names.items() if addresses}
        for name in sorted(before.keys() - known.keys()):
            self._fabric.publish(number, name, [])
        for name, addresses in known.items():
            if before.get(name) != addresses:
                self._fabric.publish(number, name, addresses)
        self._gateway.publish(network, known)
        self._published[network] = known

    def configure(self, configuration: NetworkConfiguration) -> None:
        """Have this configuration in force; what is equal goes on undisturbed.

        Raises:
            ConfigurationError: it makes no sense as a whole; nothing has changed.
            FabricFullError: there is no room for it; the one before is in force again.
            PolicyRefusedError: a policy cannot be in force; links and faults are.
        """
        self._tables.apply(configuration, self._networks)
        self._policies.apply(configuration.policies, self._tables.groups)
        self._gateway.configure(
            configuration.egress, configuration.guarded, is_open=configuration.gateway
        )

    def statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the counters; with `flows`, those of every socket too."""
        return NetworkStatistics(
            time_s=time.time(),
            links=tuple(self._tables.link_statistics()),
            interfaces=tuple(sorted(self._interfaces(), key=lambda one: one.address)),
            policies=tuple(self._policies.statistics()),
            flows=tuple(self._flows()) if flows else (),
            traffic=tuple(self._traffic()) if flows else (),
        )

    def _traffic(self) -> Iterator[TrafficStatistics]:
        """What went between addresses, up to when interfaces were read last."""
        cursor, start, size = 0, self._fabric.staging, self._fabric.staging_size
        while True:
            self._fabric.call("host_traffic", cursor, start, size)
            cursor, pairs = unpack_traffic(self._fabric.view[start : start + size])
            yield from pairs
            if not cursor:
                return

    def _flows(self) -> Iterator[FlowStatistics]:
        cursor, start, size = 0, self._fabric.staging, self._fabric.staging_size
        while True:
            self._fabric.call("host_flows", cursor, start, size)
            cursor, flows = unpack_flows(self._fabric.view[start : start + size])
            yield from flows
            if not cursor:
                return

    def _interfaces(self) -> Iterator[InterfaceStatistics]:
        cursor, start, size = 0, self._fabric.staging, self._fabric.staging_size
        networks = {number: name for name, number in self.numbers.items()}
        while True:
            self._fabric.call("host_interfaces", cursor, start, size)
            cursor, interfaces = unpack_interfaces(
                self._fabric.view[start : start + size], networks
            )
            yield from interfaces
            if not cursor:
                return

    def echo_denier(self, source: IPv4Address, target: IPv4Address) -> str:
        """Name the policy that denies echoes from one address to another; empty for none."""
        return self._policies.echo_denier(source, target)

    async def capture(
        self, place: CapturePlace, *, snapshot_bytes: int
    ) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place, without an end.

        Raises:
            CaptureRefusedError: there is no such place, or too many are looked at.
        """
        with (
            _refusals(place),
            open_capture(self._fabric, self._watches, snapshot_bytes=snapshot_bytes) as capture,
        ):
            self._listen(capture, place)
            async with aclosing(capture.batches()) as batches:
                async for batch in batches:
                    yield batch

    def _listen(self, capture: Capture, place: CapturePlace) -> None:
        if isinstance(place, InterfacePlace):
            capture.listen_to_interface(place.address)
            return
        number = self._tables.links.get(place.link)
        if number is None:
            raise OSError(errno.ENOENT, "no such link")
        capture.listen_to_link(number, forward=place.forward, backward=place.backward)


@contextmanager
def _refusals(place: CapturePlace) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = (
            f"address {place.address}"
            if isinstance(place, InterfacePlace)
            else f'link "{place.link}"'
        )
        if error.errno == errno.ENOENT:
            raise CaptureRefusedError(name, "is not on this node's network") from error
        reason = "cannot be captured: too many captures are open; end one of them"
        raise CaptureRefusedError(name, reason) from error
