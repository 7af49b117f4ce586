"""What pods of one node reach beside each other: the world outside, and the name service.

Owns who lives at which address, which the gateway and the name servers ask for, and one name server
for each network. Rules come from the orchestrator, what happens goes to whoever `report` is.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from vnet.egress import EgressHappening
from vnet.gateway import Gateway, MachineResolver, Resident
from vnet.names import Answerer, Directory, NameServer, Zone

if TYPE_CHECKING:
    from pod_node.spec import PodSpec
    from vnet.configuration import Egress, GuardedPorts
    from vnet.gateway import GatewaySwitch, Resolve
    from vnet.host import HostEndpoint, Watches


class PodGateway:
    """The gateway and the name servers of a node."""

    def __init__(
        self,
        switch: GatewaySwitch,
        endpoint: HostEndpoint,
        watches: Watches,
        resolve: Resolve | None = None,
    ) -> None:
        """Prepare a node's gateway, which is closed until it is configured.

        Args:
            switch: The fabric's requests and answers.
            endpoint: The host's place in the fabric.
            watches: Tells of requests.
            resolve: Looks up names outside; the machine's own resolver when None.
        """
        self.report: Callable[[EgressHappening], None] = lambda happening: None
        """Takes what happens at the gateway."""
        self._endpoint = endpoint
        self._directory = Directory()
        self._residents: dict[IPv4Address, PodSpec] = {}
        self._servers: dict[str, NameServer] = {}
        self._resolver = MachineResolver()
        self._gateway = Gateway(
            switch,
            endpoint,
            watches,
            self._resident,
            lambda happening: self.report(happening),
            resolve=resolve or self._resolver,
            connections_most=_descriptor_limit() // 2,
        )

    def attach(self, network: str, subnet: IPv4Network) -> None:
        """Serve names on a network's gateway address, which the host has.

        Raises:
            OSError: The host cannot listen there.
        """
        address = subnet.network_address + 1
        zone = Zone(network=network, server=address)
        lookup = self._gateway.lookup
        server = NameServer(Answerer(self._directory, zone, self._networks_of, lookup))
        server.start(self._endpoint, address)
        self._servers[network] = server

    def detach(self, network: str) -> None:
        """Serve names on a network no more."""
        server = self._servers.pop(network, None)
        if server is not None:
            server.close()
        self._directory.remove(network)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names of a network."""
        self._directory.publish(network, names)

    def configure(
        self, egress: Iterable[Egress], guarded: Iterable[GuardedPorts], *, is_open: bool
    ) -> None:
        """Replace all rules and what they do not open, and open or close the way out."""
        self._gateway.configure(egress, guarded)
        if is_open:
            self._gateway.open()
        else:
            self._gateway.close()

    def add_pod(self, spec: PodSpec) -> None:
        """Note who lives at a pod's addresses."""
        self._residents.update(dict.fromkeys((one.address for one in spec.interfaces), spec))

    def remove_pod(self, spec: PodSpec) -> None:
        """Forget a pod that has ended, and reset its connections to the world outside."""
        for interface in spec.interfaces:
            if self._residents.get(interface.address) is spec:
                del self._residents[interface.address]
        self._gateway.remove_pod(spec.name)

    async def close(self) -> None:
        """End everything."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        self._gateway.close()
        await self._gateway.wait_closed()
        self._resolver.close()

    def _resident(self, address: IPv4Address) -> Resident | None:
        spec = self._residents.get(address)
        return Resident(spec.name, spec.service) if spec else None

    def _networks_of(self, address: IPv4Address) -> tuple[str, ...]:
        spec = self._residents.get(address)
        return tuple(interface.network for interface in spec.interfaces) if spec else ()


def _descriptor_limit() -> int:
    """How many files this process may open; the rest of it needs some, too."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
