"""A runtime whose guests do what a test tells them, and the values that tests boot from."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from pod_node.errors import BootError, PodNodeError
from pod_node.images import CompiledImage, find_manifest
from pod_node.spec import ExitKind, HealthCheck, Interface, PodExit, PodSpec, ProbeKind
from pod_node.terminal import Modes
from pod_node.usage import PodUsage
from vnet.ping import EchoOutcome, EchoResult
from vnet.statistics import NetworkStatistics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from pod_node.executing import ProgramCall, WindowSize
    from pod_node.files import DiskUsage, PodFolders
    from pod_node.runtime import OnDiskFull, OnExit, OnOutput, OnRunning, Process
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.egress import EgressHappening

LOOPBACK = IPv4Address("127.0.0.1")
FRONT = IPv4Network("127.0.0.0/24")


def make_spec(
    name: str = "web-1",
    *,
    service: str | None = None,
    image: str = "python",
    check: HealthCheck | None = None,
    network: str | None = "front",
    command: tuple[str, ...] = ("python", "/app/main.py"),
) -> PodSpec:
    """A pod whose address is real loopback, so that probes and portals reach real sockets."""
    interface = Interface(network=network or "", address=LOOPBACK, prefix=24)
    return PodSpec(
        name=name,
        service=service or name.rpartition("-")[0],
        image=image,
        command=command,
        interfaces=(interface,) if network else (),
        healthcheck=check,
    )


def tcp_check(port: int, interval_s: float = 0.01, retries: int = 2) -> HealthCheck:
    return HealthCheck(
        kind=ProbeKind.TCP, port=port, interval_s=interval_s, timeout_s=5.0, retries=retries
    )


def exited(status: int) -> PodExit:
    return PodExit(kind=ExitKind.EXITED, status=status)


def python_image() -> CompiledImage:
    manifest = find_manifest("python")
    return CompiledImage(
        reference="python", manifest=manifest, artifact=Path("/nonexistent"), mounts=()
    )


class FakeImages:
    """Images that are ready: `python`."""

    def find(self, reference: str) -> CompiledImage | None:
        return python_image() if reference == "python" else None


class FakeEndpoint:
    """Dials real sockets."""

    async def open_connection(
        self, address: str, port: int, *, timeout_s: float | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(timeout_s):
            return await asyncio.open_connection(address, port)

    async def wait_for_listener(self, address: str, port: int) -> None:
        """Nobody tells of real sockets."""
        await asyncio.Event().wait()


class LoopbackEndpoint(FakeEndpoint):
    """Finds a pod's sockets at the address of the host's loopback that ends as the pod's does."""

    async def open_connection(
        self, address: str, port: int, *, timeout_s: float | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await super().open_connection(loopback(address), port, timeout_s=timeout_s)


def loopback(address: object) -> str:
    return f"127.0.0.{str(address).rpartition('.')[2]}"


class FaultsRefusedError(PodNodeError):
    """What a test's runtime says to faults that it is told to refuse."""


class FakeDisks:
    """Has room for everything and counts nothing."""

    def usage(self) -> tuple[DiskUsage, ...]:
        return ()

    def take(self, target: str, blocks: int) -> None:
        """Take it."""

    def give(self, target: str, blocks: int) -> None:
        """Give it."""

    def linked(self, target: str) -> None:
        """Look for links."""

    def hidden(self) -> tuple[str, ...]:
        return ()

    def hide(self, path: str) -> None:
        """Hide it."""

    def change(self, path: str) -> None:
        """It has changed."""


@dataclass(eq=False)
class FakeInput:
    """What a fake pod's main process was told."""

    pid: int = 1
    read: bytes = b""
    ends: int = 0
    window: WindowSize | None = None
    signals: list[int] = field(default_factory=list)

    async def write(self, data: bytes) -> None:
        self.write_nowait(data)

    def write_nowait(self, data: bytes) -> None:
        self.read += data

    def type_end(self) -> None:
        self.ends += 1

    def modes(self) -> Modes:
        return Modes()

    def resize(self, window: WindowSize) -> None:
        self.window = window

    def signal(self, number: int) -> None:
        self.signals.append(number)


@dataclass(eq=False)
class FakePod:
    """A guest under a test's control."""

    spec: PodSpec
    write: OnOutput
    on_exit: OnExit
    on_running: OnRunning | None = None
    killed: int = 0
    polite: bool = True
    """Whether it ends by signals."""
    paused: bool = False
    alive: bool = True
    signals: list[int] = field(default_factory=list)
    input: FakeInput = field(default_factory=FakeInput)

    def kill(self) -> None:
        self.killed += 1
        if self.alive:
            asyncio.get_running_loop().call_soon(self._end_killed)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def signal(self, number: int) -> None:
        """Note a signal; a polite pod ends by it."""
        self.signals.append(number)
        if self.polite and self.alive:
            asyncio.get_running_loop().call_soon(self.exit, 128 + number)

    def exec(
        self,
        call: ProgramCall,
        on_output: OnOutput,
        on_exit: OnExit,
        window: WindowSize | None = None,
    ) -> Process:
        """Run nothing: fake pods have no programs."""
        raise FileNotFoundError(errno.ENOENT, call.arguments[0])

    def usage(self) -> PodUsage:
        return PodUsage(pod=self.spec.name, cpu_time_s=1.5)

    def disks(self) -> FakeDisks:
        return FakeDisks()

    def exit(self, status: int) -> None:
        self.end(exited(status))

    def run(self) -> None:
        """Begin, unless it has begun."""
        if self.on_running is not None:
            self.on_running(asyncio.get_running_loop().time())
            self.on_running = None

    def end(self, end: PodExit) -> None:
        if self.alive:
            self.run()
            self.alive = False
            self.on_exit(end)

    def _end_killed(self) -> None:
        self.end(PodExit(kind=ExitKind.KILLED, status=137, reason="killed"))


@dataclass(eq=False)
class FakeRuntime:
    """Boots pods that do nothing by themselves, or what `script` does with each."""

    script: Callable[[FakePod], None] = lambda pod: None
    endpoint: FakeEndpoint = field(default_factory=FakeEndpoint)
    pods: dict[str, FakePod] = field(default_factory=dict)
    boots: list[str] = field(default_factory=list)
    networks: dict[str, IPv4Network] = field(default_factory=dict)
    names: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    configurations: list[NetworkConfiguration] = field(default_factory=list)
    fault_refusal: str | None = None
    """Why no configuration with faults is taken; None takes them."""
    echo_denier: str = ""
    """A policy that denies every echo."""
    statistics: NetworkStatistics = field(default_factory=lambda: NetworkStatistics(time_s=0.0))
    seen: dict[CapturePlace, list[CaptureBatch]] = field(default_factory=dict)
    report: Callable[[EgressHappening], None] = lambda happening: None
    closed: bool = False

    def boot(
        self,
        spec: PodSpec,
        image: CompiledImage,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
        folders: PodFolders | None = None,
    ) -> FakePod:
        if spec.name in self.refusals:
            raise BootError(spec.name, self.refusals[spec.name])
        pod = FakePod(spec, on_output, on_exit, on_running)
        self.pods[spec.name] = pod
        self.boots.append(spec.name)
        asyncio.get_running_loop().call_soon(pod.run)
        asyncio.get_running_loop().call_soon(self.script, pod)
        return pod

    def attach_network(self, name: str, subnet: IPv4Network) -> None:
        self.networks[name] = subnet

    def detach_network(self, name: str) -> None:
        del self.networks[name]
        self.names.pop(name, None)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        self.names[network] = {
            name: [str(address) for address in addresses] for name, addresses in names.items()
        }

    def report_full_disks(self, report: OnDiskFull) -> None:
        self.report_full = report

    def report_egress(self, report: Callable[[EgressHappening], None]) -> None:
        self.report = report

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        if self.fault_refusal is not None and configuration.faults:
            raise FaultsRefusedError(self.fault_refusal)
        self.configurations.append(configuration)

    def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        return self.statistics if flows else replace(self.statistics, flows=())

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        """Answer at once, each a simulated millisecond later than the one before."""
        faults = self.configurations[-1].faults if self.configurations else ()
        if self.echo_denier:
            return EchoResult(outcome=EchoOutcome.DENIED, policy=self.echo_denier)
        stopped = any(source in fault.sources and target in fault.targets for fault in faults)
        if stopped:
            return EchoResult(outcome=EchoOutcome.TIMEOUT)
        return EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=1_000_000 * sequence)

    async def capture(
        self, place: CapturePlace, *, snapshot_bytes: int
    ) -> AsyncGenerator[CaptureBatch, None]:
        """Report what `seen` has; then nothing happens any more."""
        for batch in self.seen.get(place, []):
            yield batch
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True
