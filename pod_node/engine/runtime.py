"""Runs guests over one fabric: the engine's face to the pod node.

Owns the fabric, the programs made from images, and the bridge from the fabric's doorbell to the
event loop. All methods run on the loop's thread; guests run on threads of their own, without the
GIL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from pod_node.engine import bindings
from pod_node.engine.compiler import Compiler
from pod_node.engine.disks import FabricDisks
from pod_node.engine.echoes import Echoes
from pod_node.engine.fabric import DEFAULT_FABRIC_BYTES, Fabric
from pod_node.engine.gateway import FabricGateway
from pod_node.engine.guest import Guest
from pod_node.engine.link_switch import FabricLinks
from pod_node.engine.mounts import mount_table
from pod_node.engine.network import FabricNetwork
from pod_node.engine.pod import EnginePod
from pod_node.engine.process import check_bootable, check_memory, create_process
from pod_node.engine.program import Program
from pod_node.engine.signals import Signals
from pod_node.engine.spawned import spawned_spec
from pod_node.engine.spawning import Spawning
from pod_node.engine.surroundings import Surroundings
from pod_node.engine.trunk import FabricTrunk
from pod_node.errors import BootError
from pod_node.gateway import PodGateway
from pod_node.launching import boot_environment
from vnet.egress import EgressHappening
from vnet.gateway import Resolve
from vnet.host import HostEndpoint, Watches
from vnet.statistics import NetworkStatistics
from vnet.trunk import Trunk

if TYPE_CHECKING:
    from pod_node.engine.process import KernelProcess
    from pod_node.executing import ProgramCall
    from pod_node.files import PodFolders
    from pod_node.images import CompiledImage
    from pod_node.runtime import OnDiskFull, OnExit, OnOutput, OnRunning
    from pod_node.spec import PodSpec
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import EchoResult


class EngineRuntime:
    """The runtime that boots real guests."""

    def __init__(
        self,
        compiler: Compiler,
        *,
        fabric_bytes: int = DEFAULT_FABRIC_BYTES,
        cores: int | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Create the fabric; must be called while the event loop runs.

        Args:
            compiler: compiles and caches modules for the process's engine.
            fabric_bytes: all that pods' sockets, pipes and kernel stacks may take together.
            cores: how many threads may spin at once; the machine's cores when None.
            resolve: looks up names outside; the machine's own resolver when None.

        Raises:
            KernelMissingError: the package was installed without its kernel.
        """
        self._loop = asyncio.get_running_loop()
        self._compiler = compiler
        self.fabric = Fabric(compiler, size_bytes=fabric_bytes, cores=cores)
        self._watches = Watches(self.fabric, self._loop)
        self._endpoint = HostEndpoint(self.fabric, self._watches, self._loop)
        self.gateway = PodGateway(
            FabricGateway(self.fabric), self._endpoint, self._watches, resolve
        )
        self._programs: dict[Path, Program] = {}
        self._pods: dict[EnginePod, None] = {}
        self._closing = False
        self._signals = Signals(self.fabric, self._loop)
        self._epoch = bindings.epoch_callback(self._signals.ask)
        self.fabric.ring(self._ring)
        self.fabric.pace()
        self._around = Surroundings(self.fabric, self._watches, self._signals, self._loop)
        self._spawning = Spawning(
            self.fabric, self._watches, self._signals, self._loop, self._look_at_disks
        )
        self._report_full: OnDiskFull = lambda pod, target: None
        self._network = FabricNetwork(self.fabric, self._watches, self.gateway)
        self.trunk = Trunk(
            FabricTrunk(self.fabric, lambda: self._network.numbers),
            FabricLinks(self.fabric, self._network.tables),
            self._watches,
            fabric_bytes,
        )
        self._echoes = Echoes(self.fabric, self._watches, self._network.echo_denier)

    @property
    def endpoint(self) -> HostEndpoint:
        """Where the host side dials from."""
        return self._endpoint

    def _ring(self, tokens: list[int]) -> None:
        """Take a batch from the doorbell's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._watches.deliver, tokens)

    @property
    def networks(self) -> Mapping[str, int]:
        """The numbers of the networks that are attached now."""
        return self._network.numbers

    def attach_network(self, name: str, subnet: IPv4Network) -> None:
        """Declare a network; see `FabricNetwork.attach`."""
        self._network.attach(name, subnet)

    def detach_network(self, name: str) -> None:
        """Take a network away; see `FabricNetwork.detach`."""
        self._network.detach(name)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names that pods can look up; see `FabricNetwork.publish`."""
        self._network.publish(network, names)

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults, policies and egress; see `FabricNetwork.configure`."""
        self._network.configure(configuration)

    def report_egress(self, report: Callable[[EgressHappening], None]) -> None:
        """Tell `report` from now on what happens to whoever leaves the network."""
        self.gateway.report = report

    def report_full_disks(self, report: OnDiskFull) -> None:
        """Tell `report` from now on which pods have no more room for their files."""
        self._report_full = report

    def _look_at_disks(self) -> None:
        for pod in list(self._pods):
            for target in pod.full_disks():
                self._report_full(pod.spec.name, target)

    def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; see `FabricNetwork.statistics`."""
        return self._network.statistics(flows=flows)

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        """Send one echo request from one pod to another and wait for what becomes of it.

        Raises:
            OSError: the payload is larger than a packet (EMSGSIZE).
        """
        return await self._echoes.send(
            source,
            target,
            sequence=sequence,
            payload_bytes=payload_bytes,
            timeout_s=timeout_s,
        )

    def capture(
        self, place: CapturePlace, *, snapshot_bytes: int
    ) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place; see `FabricNetwork.capture`."""
        return self._network.capture(place, snapshot_bytes=snapshot_bytes)

    def boot(
        self,
        spec: PodSpec,
        image: CompiledImage,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
        folders: PodFolders | None = None,
    ) -> EnginePod:
        """Start a guest on a thread of its own and return without waiting for it.

        Raises:
            BootError: an address is taken, a mount is missing, a text cannot be a C string, or
                there is no room; in the node, or for the module's memory within its limit.
            NetworkNotAttachedError: an interface is on a network that was not attached.
            UnsupportedModuleError: the module is not one that pods can run.
            DamagedArtifactError: the compiled module cannot be read.
        """
        full = replace(
            spec,
            environment=boot_environment(spec, image),
            mounts=(*image.mounts, *spec.mounts),
        )
        argv = list(image.arguments(spec.command, spec.working_dir))
        return self._boot(
            full, image.artifact, argv, on_output, on_exit, on_running, folders, image
        )

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
        """As `boot`, from a compiled module, with nothing added to `spec`."""
        return self._boot(spec, artifact, argv, on_output, on_exit, on_running, folders, None)

    def _boot(
        self,
        spec: PodSpec,
        artifact: Path,
        argv: list[str],
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None,
        folders: PodFolders | None,
        image: CompiledImage | None,
    ) -> EnginePod:
        if self._closing:
            raise BootError(spec.name, "the node is shutting down; boot it on another one")
        check_bootable(spec, argv)
        program = self._program(artifact, spec.image)
        check_memory(spec, program)
        mounts = mount_table(spec, folders)
        process = create_process(self.fabric, spec, self._network.numbers, mounts)
        for path in folders.hidden if folders else ():
            FabricDisks(self.fabric, process.files, mounts).hide(path)
        guest = Guest(self.fabric, program, spec, argv, process, mounts, self._signals, self._epoch)

        def make_guest(process: KernelProcess, request: ProgramCall) -> Guest:
            own, argv = spawned_spec(spec, image, request)
            return Guest(
                self.fabric, program, own, argv, process, mounts, self._signals, self._epoch
            )

        pod = EnginePod(self._around, guest, make_guest, on_output, on_exit, on_running)
        pod.start(self._forget)
        self._pods[pod] = None
        self._spawning.add(process, pod)
        self.gateway.add_pod(pod.spec)
        return pod

    def _program(self, artifact: Path, image: str) -> Program:
        if artifact not in self._programs:
            module = self._compiler.load(artifact)
            self._programs[artifact] = Program(self.fabric, self._compiler, module, image)
        return self._programs[artifact]

    def _forget(self, pod: EnginePod) -> None:
        self._pods.pop(pod, None)
        self._spawning.remove(pod.process)
        self.gateway.remove_pod(pod.spec)

    async def close(self) -> None:
        """Kill every guest, join its thread, end the host's connections and stop the doorbell."""
        self._closing = True
        for pod in list(self._pods):
            pod.kill()
        for pod in list(self._pods):
            await pod.wait()
        self._spawning.close()
        self._signals.close()
        self._echoes.close()
        await self.trunk.close()
        await self.gateway.close()
        self._endpoint.close()
        self.fabric.stop()
