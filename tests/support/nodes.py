"""Two nodes of one deployment in one test process, which tests take for one.

Owns two fabrics with a trunk between them over a real socket. Pods are booted on the two in turn;
what a test configures is configured on both, and what it counts is the sum of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from pod_node.engine import EngineRuntime
from tests.support.lab import FABRIC_BYTES, Guest, Lab, eventually, shared_compiler
from tests.support.wire import Wire, proxy
from vnet.totals import total
from vnet.trunk import PeerSpec, RemoteInterface, TrunkSettings
from vnet.trunk.settings import OUTAGE_S

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from pod_node.engine.pod import EnginePod
    from pod_node.images import CompiledImage
    from pod_node.runtime import OnExit, OnOutput, OnRunning
    from pod_node.spec import Interface, Limits, Mount, PodSpec
    from tests.support.puppet import Puppet
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import EchoResult
    from vnet.statistics import NetworkStatistics

NODES = "first", "second"
TOKEN = b"a token of a test's deployment"


class TwinRuntime:
    """Two runtimes with the face of one."""

    def __init__(self, runtimes: Sequence[EngineRuntime], folder: Path) -> None:
        self.runtimes = runtimes
        self.folder = folder
        self.homes: dict[IPv4Address, int] = {}
        self.outage_s = OUTAGE_S
        self.addresses = [f"unix:{folder}/{name}" for name in NODES]
        """Where each node is dialled."""
        self._turn = 1
        self._interfaces: dict[IPv4Address, Interface] = {}

    async def join(self) -> None:
        """Open the trunks and wait until they are connected."""
        for name, runtime in zip(NODES, self.runtimes, strict=True):
            await runtime.trunk.open(self.settings(name))
        self.announce()
        await eventually(self.is_joined)

    def settings(self, node: str) -> TrunkSettings:
        return TrunkSettings(
            deployment="test",
            node=node,
            listen=f"unix:{self.folder}/{node}",
            token=TOKEN,
            outage_s=self.outage_s,
        )

    def is_joined(self) -> bool:
        return all(
            status.connected for runtime in self.runtimes for status in runtime.trunk.statuses
        )

    def announce(self) -> None:
        """Tell each node which addresses are on the other."""
        for index, runtime in enumerate(self.runtimes):
            other = 1 - index
            interfaces = tuple(
                RemoteInterface(
                    network=interface.network,
                    address=address,
                    prefix=interface.prefix,
                )
                for address, interface in self._interfaces.items()
                if self.homes[address] == other
            )
            peer = PeerSpec(name=NODES[other], address=self.addresses[other], interfaces=interfaces)
            runtime.trunk.set_peers([peer])

    def forget(self, addresses: Sequence[IPv4Address]) -> None:
        """Pods have ended and nobody expects them back."""
        for address in addresses:
            self.homes.pop(address, None)
            self._interfaces.pop(address, None)
        self.announce()

    def settle(self, interfaces: Sequence[Interface], home: int) -> None:
        """Note that a pod is about to be booted on a node."""
        for interface in interfaces:
            self.homes[interface.address] = home
            self._interfaces[interface.address] = interface
        self.announce()

    # What tests ask of a runtime.

    def attach_network(self, name: str, subnet: IPv4Network) -> None:
        for runtime in self.runtimes:
            runtime.attach_network(name, subnet)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        for runtime in self.runtimes:
            runtime.publish(network, names)

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        for runtime in self.runtimes:
            runtime.configure_network(configuration)

    def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        return total([runtime.network_statistics(flows=flows) for runtime in self.runtimes])

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        **options: Any,  # noqa: ANN401
    ) -> EchoResult:
        home = self.runtimes[self.homes.get(source, 0)]
        return await home.ping(source, target, **options)

    def capture(
        self, place: CapturePlace, *, snapshot_bytes: int
    ) -> AsyncGenerator[CaptureBatch, None]:
        address = getattr(place, "address", None)
        home = self.runtimes[self.homes.get(address, 0) if address else 0]
        return home.capture(place, snapshot_bytes=snapshot_bytes)

    def boot(
        self,
        spec: PodSpec,
        image: CompiledImage,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
    ) -> EnginePod:
        """Boot a pod on the node whose turn it is."""
        self._turn = 1 - self._turn
        self.settle(spec.interfaces, self._turn)
        return self.runtimes[self._turn].boot(spec, image, on_output, on_exit, on_running)

    def boot_artifact(
        self,
        spec: PodSpec,
        artifact: Path,
        argv: list[str],
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
    ) -> EnginePod:
        home = self.homes[spec.interfaces[0].address]
        return self.runtimes[home].boot_artifact(
            spec, artifact, argv, on_output, on_exit, on_running
        )


class TwinLab(Lab):
    """Two nodes whose pods take turns."""

    def __init__(self, twins: TwinRuntime) -> None:
        self.twins = twins
        self._turn = 1
        self.guests: list[Guest] = []
        self.wire = Wire()
        """Between the two, where a test asked for one that it can break."""
        super().__init__(cast("EngineRuntime", twins))
        self._labs = [_Half(self, runtime) for runtime in twins.runtimes]

    def boot(
        self,
        artifact: Path,
        *argv: str,
        name: str = "",
        networks: tuple[str, ...] = ("front",),
        interfaces: tuple[Interface, ...] = (),
        mounts: tuple[Mount, ...] = (),
        environment: tuple[tuple[str, str], ...] = (),
        limits: Limits | None = None,
        working_dir: str = "/",
    ) -> Guest:
        interfaces = interfaces or tuple(self.interface(network) for network in networks)
        self.twins.settle(interfaces, self._next_home())
        guest = super().boot(
            artifact,
            *argv,
            name=name,
            interfaces=interfaces,
            mounts=mounts,
            environment=environment,
            limits=limits,
            working_dir=working_dir,
        )
        self.guests.append(guest)
        return guest

    def _next_home(self) -> int:
        self._turn = 1 - self._turn
        return self._turn

    async def puppet(
        self,
        *,
        name: str = "",
        networks: tuple[str, ...] = ("front",),
        interfaces: tuple[Interface, ...] = (),
        mounts: tuple[Mount, ...] = (),
        limits: Limits | None = None,
        environment: tuple[tuple[str, str], ...] = (),
        working_dir: str = "/",
    ) -> Puppet:
        interfaces = interfaces or tuple(self.interface(network) for network in networks)
        home = self._next_home()
        self.twins.settle(interfaces, home)
        self._booted += 1
        puppet = await self._labs[home].puppet(
            name=name or f"guest-{self._booted}",
            interfaces=interfaces,
            mounts=mounts,
            limits=limits,
            environment=environment,
            working_dir=working_dir,
        )
        self.guests.append(puppet.guest)
        return puppet

    def statistics(self) -> tuple[int, int]:
        """Bytes in use, and open sockets, when what has ended is forgotten."""
        ended = [guest for guest in self.guests if guest.exit]
        self.twins.forget([IPv4Address(guest.address) for guest in ended if guest.address])
        self.guests = [guest for guest in self.guests if not guest.exit]
        both = [half.statistics() for half in self._labs]
        return both[0][0] + both[1][0], both[0][1] + both[1][1]


class _Half(Lab):
    """One of the two, whose networks are attached already."""

    def __init__(self, whole: TwinLab, runtime: EngineRuntime) -> None:
        self.runtime = runtime
        self._next = {}
        self._puppets = None
        self._booted = 0


@asynccontextmanager
async def twin_lab(
    fabric_bytes: int = FABRIC_BYTES,
    cores: int | None = None,
    *,
    outage_s: float = OUTAGE_S,
    proxied: bool = False,
) -> AsyncIterator[TwinLab]:
    """Two nodes whose guests are all gone at the end."""
    runtimes = [
        EngineRuntime(shared_compiler(), fabric_bytes=fabric_bytes, cores=cores) for _ in NODES
    ]
    try:
        with TemporaryDirectory(prefix="podnet-") as folder:
            twins = TwinRuntime(runtimes, Path(folder))
            twins.outage_s = outage_s
            opened = TwinLab(twins)
            async with AsyncExitStack() as stack:
                if proxied:
                    opened.wire = await stack.enter_async_context(
                        proxy(f"{folder}/second", f"{folder}/wire")
                    )
                    twins.addresses[1] = f"unix:{folder}/wire"
                async with asyncio.timeout(10.0):
                    await twins.join()
                yield opened
                for runtime in twins.runtimes:
                    await runtime.trunk.close()
    finally:
        for runtime in runtimes:
            await runtime.close()
