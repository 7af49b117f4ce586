"""The networks of one node: attached, configured, named, looked at, and dialled into from outside.

Owns which networks there are. What a configuration means is the runtime's business, and who decides
on it is whoever drives the node.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING

from pod_node.dialling import dial
from pod_node.errors import NetworkConflictError, NetworkInUseError, NetworkNotAttachedError
from pod_node.pinging import ping
from vnet.capture import CaptureBatch, Filter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.dialling import PodConnection
    from pod_node.lives import Lives
    from pod_node.runtime import Runtime
    from vnet.capture import CaptureWish
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import NumberedEcho, PingPlan
    from vnet.statistics import NetworkStatistics


class Networks:
    """What the pods of one node are wired to."""

    def __init__(self, runtime: Runtime, lives: Lives) -> None:
        """Begin without any.

        Args:
            runtime: Has them.
            lives: The pods that are on them.
        """
        self._runtime = runtime
        self._lives = lives
        self._networks: dict[str, IPv4Network] = {}

    def attach(self, name: str, subnet: IPv4Network) -> None:
        """Declare a network; repeating it changes nothing.

        Raises:
            NetworkConflictError: it exists with another subnet.
        """
        existing = self._networks.get(name)
        if existing is None:
            self._runtime.attach_network(name, subnet)
            self._networks[name] = subnet
        elif existing != subnet:
            raise NetworkConflictError(name, str(subnet), str(existing))

    @property
    def subnets(self) -> Mapping[str, IPv4Network]:
        """The networks that were declared."""
        return self._networks

    def require(self, name: str) -> None:
        """Insist that there is a network.

        Raises:
            NetworkNotAttachedError: it was not attached.
        """
        if name not in self._networks:
            raise NetworkNotAttachedError(name)

    def detach(self, name: str) -> None:
        """Take a network away; one that does not exist counts as taken away.

        Raises:
            NetworkInUseError: a pod is on it that has not ended.
        """
        for life in self._lives.living:
            if any(interface.network == name for interface in life.status.spec.interfaces):
                raise NetworkInUseError(name, life.status.spec.name)
        if self._networks.pop(name, None) is not None:
            self._runtime.detach_network(name)

    def configure(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults, policies and egress rules.

        Raises:
            NetworkNotAttachedError: a group is on a network that was not attached.
            PodNodeError: the runtime refused.
        """
        for group in configuration.groups:
            self.require(group.network)
        self._runtime.configure_network(configuration)

    def statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        return self._runtime.network_statistics(flows=flows)

    def ping(
        self, source: IPv4Address, target: IPv4Address, plan: PingPlan
    ) -> AsyncGenerator[NumberedEcho, None]:
        """Send echo requests from one interface to another; see `pinging.ping`."""
        return ping(self._runtime, source, target, plan)

    async def capture(self, wish: CaptureWish) -> AsyncGenerator[CaptureBatch, None]:
        """Report the packets that somebody wants to see, until there were as many as wanted.

        Raises:
            ExpressionError: the filter cannot be understood, or names somebody unknown.
            PodNodeError: the runtime refused.
        """
        chosen = Filter(wish.filter, self._addresses)
        seen = 0
        batches = self._runtime.capture(wish.place, snapshot_bytes=wish.snapshot_bytes)
        async with aclosing(batches):
            async for batch in batches:
                left = wish.count - seen if wish.count else None
                packets = tuple(islice(filter(chosen.matches, batch.packets), left))
                seen += len(packets)
                if packets or batch.lost:
                    yield CaptureBatch(packets=packets, lost=batch.lost)
                if wish.count and seen >= wish.count:
                    return

    async def dial(self, address: IPv4Address, port: int, timeout_s: float) -> PodConnection:
        """Connect to a pod from the node's own endpoint.

        Raises:
            DialError: it does not take the connection.
        """
        return await dial(self._runtime.endpoint, str(address), port, timeout_s)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names that pods on a network can look up.

        Raises:
            NetworkNotAttachedError: there is no such network.
        """
        self.require(network)
        self._runtime.publish(network, names)

    def _addresses(self, name: str) -> list[IPv4Address]:
        """Find the addresses of a pod or of a service's pods."""
        return [
            interface.address
            for life in self._lives.values()
            if name in (life.status.spec.name, life.status.spec.service)
            for interface in life.status.spec.interfaces
        ]
