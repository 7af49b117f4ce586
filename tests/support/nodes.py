"""Two nodes of one deployment in one test process, which tests take for one.

Owns two fabrics with a trunk between them over a real socket. Pods are booted on the two in turn;
what a test configures is configured on both, and what it counts is the sum of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from pod_node.engine import EngineRuntime
from tests.support.lab import FABRIC_BYTES, Lab, eventually, shared_compiler
from tests.support.wire import Wire, proxy
from vnet.capture import InterfacePlace
from vnet.tasks import TaskOwner
from vnet.totals import total
from vnet.trunk import PeerSpec, RemoteInterface, TrunkSettings
from vnet.trunk.settings import OUTAGE_S

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from pod_node.engine.pod import EnginePod
    from pod_node.files import PodFolders
    from pod_node.images import CompiledImage
    from pod_node.runtime import OnExit, OnOutput, OnRunning
    from pod_node.spec import Interface, PodExit, PodSpec
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.host import FabricServer, HostEndpoint
    from vnet.host.endpoint import ClientConnected
    from vnet.ping import EchoResult
    from vnet.statistics import NetworkStatistics

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
NODES = "first", "second"
TOKEN = b"a token of a test's deployment"
TWICE = pytest.mark.parametrize("pods", [1, 2], indirect=True, ids=["one node", "two nodes"])
"""For tests of the network, which goes over several nodes as within one."""


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
        self._gone: list[IPv4Address] = []
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
        if isinstance(place, InterfacePlace):
            home = self.runtimes[self.homes.get(place.address, 0)]
            return home.capture(place, snapshot_bytes=snapshot_bytes)
        return _merged([one.capture(place, snapshot_bytes=snapshot_bytes) for one in self.runtimes])

    def boot(
        self,
        spec: PodSpec,
        image: CompiledImage,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
        folders: PodFolders | None = None,
    ) -> EnginePod:
        """Boot a pod on the node whose turn it is."""
        home = self._next_home(spec)
        ended = self._ended(spec, on_exit)
        return home.boot(spec, image, on_output, ended, on_running, folders)

    def boot_artifact(
        self,
        spec: PodSpec,
        artifact: Path,
        argv: list[str],
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
        folders: PodFolders | None = None,
    ) -> EnginePod:
        """As `boot`, from a compiled module."""
        home = self._next_home(spec)
        ended = self._ended(spec, on_exit)
        return home.boot_artifact(spec, artifact, argv, on_output, ended, on_running, folders)

    def _next_home(self, spec: PodSpec) -> EngineRuntime:
        self._turn = 1 - self._turn
        self.settle(spec.interfaces, self._turn)
        return self.runtimes[self._turn]

    def _ended(self, spec: PodSpec, on_exit: OnExit) -> OnExit:
        def ended(outcome: PodExit) -> None:
            self._gone += [interface.address for interface in spec.interfaces]
            on_exit(outcome)

        return ended

    @property
    def endpoint(self) -> TwinEndpoint:
        return TwinEndpoint([runtime.endpoint for runtime in self.runtimes])

    def statistics(self) -> tuple[int, int]:
        """Bytes in use, and open sockets, when pods that have ended are forgotten."""
        self.forget(self._gone)
        self._gone = []
        both = [runtime.fabric.statistics() for runtime in self.runtimes]
        return both[0][1] + both[1][1], both[0][2] + both[1][2]


async def _merged(
    streams: Sequence[AsyncGenerator[CaptureBatch, None]],
) -> AsyncGenerator[CaptureBatch, None]:
    """What comes on any of them, as it comes."""
    coming: asyncio.Queue[CaptureBatch] = asyncio.Queue()

    async def follow(stream: AsyncGenerator[CaptureBatch, None]) -> None:
        async with aclosing(stream):
            async for batch in stream:
                coming.put_nowait(batch)

    followers = TaskOwner()
    for stream in streams:
        followers.spawn(follow(stream), "capture")
    try:
        while True:
            yield await coming.get()
    finally:
        await followers.cancel_all()


class TwinEndpoint:
    """The hosts of both nodes, which have the same addresses."""

    def __init__(self, endpoints: Sequence[HostEndpoint]) -> None:
        self._endpoints = endpoints

    async def start_server(
        self, client_connected: ClientConnected, address: str, port: int
    ) -> FabricServer:
        """Listen on both nodes, at the same port."""
        first, second = self._endpoints
        server = await first.start_server(client_connected, address, port)
        await second.start_server(client_connected, address, server.address[1])
        return server

    async def open_connection(self, address: str, port: int) -> Streams:
        """Connect from the first node."""
        return await self._endpoints[0].open_connection(address, port)


class TwinLab(Lab):
    """Two nodes whose pods take turns."""

    def __init__(self, twins: TwinRuntime) -> None:
        self.twins = twins
        super().__init__(cast("EngineRuntime", twins))
        self.wire = Wire()
        """Between the two, where a test asked for one that it can break."""

    def statistics(self) -> tuple[int, int]:
        """Bytes in use, and open sockets."""
        return self.twins.statistics()


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
