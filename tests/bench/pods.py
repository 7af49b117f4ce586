"""Runs programs as pods, in a process of their own, as it is asked to.

A pod has what it would have in a node: its image's files below a root of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from pod_node.engine import Compiler, EngineRuntime, create_engine, create_library
from pod_node.files import Roots
from pod_node.images import CacheFolder, CompiledImage, ImageLibrary, cache_root
from pod_node.runtime import Pod
from pod_node.spec import ExitKind, Interface, Mount, PodExit, PodSpec
from tests.bench.builds import PROGRAMS, pod_program
from tests.bench.calls import CallCounter
from tests.bench.cases import LISTENING, Case, Report, Side, is_python, reports
from tests.bench.requests import (
    FIRST_ADDRESS,
    NETWORK,
    PORT,
    SUBNET,
    AwaitPeers,
    Boot,
    BootAndEnd,
    BootAndKill,
    BootServer,
    CaptureScene,
    ConfigureNetwork,
    CountPythonCalls,
    FabricBytes,
    OpenTrunk,
    PacerUsage,
    Program,
    RunCase,
    RunProgram,
    RunScene,
    ServerReports,
    SetPeers,
)
from tests.bench.taps import pacer_cpu_s, recording, wasting
from vnet.capture import CapturedPacket

TIMEOUT_S = 120.0
QUIET_AFTER_S = 1.5
"""After boot, imports and connecting, and with a second to go: the middle of a long case."""
QUIET_S = 0.5


def serve_pods(python: str, connection: Connection) -> None:
    """Answer requests until the connection is closed; Python programs run on the image `python`."""
    asyncio.run(_serve(python, connection))


async def _serve(python: str, connection: Connection) -> None:
    compiler = Compiler(create_engine())
    runtime = EngineRuntime(compiler)
    images = create_library(compiler, CacheFolder(cache_root(os.environ)))
    runtime.attach_network(NETWORK, SUBNET)
    with TemporaryDirectory(prefix="podnet-bench-") as state:
        try:
            await _answer(connection, _Pods(runtime, images, Roots(Path(state)), python))
        finally:
            await runtime.close()


async def _answer(connection: Connection, pods: _Pods) -> None:
    while True:
        try:
            request = await asyncio.to_thread(connection.recv)
        except EOFError:
            return
        try:
            answer = await pods.handle(request)
        except Exception as error:  # noqa: BLE001  whatever it is, the asker shall see it
            answer = error
        connection.send(answer)


@dataclass(eq=False, slots=True)
class _LivePod:
    """A booted pod, what it has printed, and how it ended."""

    address: str
    booted_at: float
    pod: Pod | None = None
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    first_line_at: float = 0.0
    line_or_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    exit: PodExit | None = None

    def on_output(self, descriptor: int, chunk: bytes) -> None:
        (self.output if descriptor == 1 else self.errors).extend(chunk)
        if not self.line_or_end.is_set() and b"\n" in self.output:
            self.first_line_at = time.perf_counter()
            self.line_or_end.set()

    def on_exit(self, ending: PodExit) -> None:
        self.exit = ending
        self.line_or_end.set()
        self.ended.set()

    @property
    def lines(self) -> list[str]:
        return self.output.decode().splitlines()

    def check(self) -> None:
        """Fail unless the pod runs, has ended well or was killed."""
        fine = self.exit is None or self.exit.status == 0 or self.exit.kind is ExitKind.KILLED
        assert fine, f"{self.exit}: {self.errors.decode(errors='replace')}"


class _Pods:
    """The pods of this process."""

    def __init__(
        self, runtime: EngineRuntime, images: ImageLibrary, roots: Roots, python: str
    ) -> None:
        self._python = python
        self._roots = roots
        self._runtime = runtime
        self._images = images
        self._prepared: dict[str, CompiledImage] = {}
        self._servers: dict[str, _LivePod] = {}
        self._addresses = map(IPv4Address, itertools.count(int(FIRST_ADDRESS)))

    async def handle(self, request: object) -> object:
        async with asyncio.timeout(TIMEOUT_S):
            match request:
                case RunCase(case, None):
                    return await self._run_case(case)
                case RunCase(case, str(link)):
                    async with wasting(self._runtime, link):
                        return await self._run_case(case)
                case RunProgram(program):
                    return await self._run_program(program)
                case RunScene():
                    return await self._run_scene(request)
                case CaptureScene(scene):
                    return await self._capture_scene(scene)
                case CountPythonCalls(case):
                    return await self._count_python_calls(case)
                case Boot(programs):
                    pods = [self._boot(program) for program in programs]
                    await _first_lines(pods)
                    return [pod.address for pod in pods]
                case OpenTrunk() | SetPeers() | AwaitPeers() | BootServer() | ServerReports():
                    return await self._be_a_node(request)
                case BootAndEnd(program):
                    return await self._boot_and_end(program)
                case BootAndKill(program):
                    return await self._boot_and_kill(program)
        return self._ask_runtime(request)

    async def _be_a_node(self, request: object) -> object:
        match request:
            case OpenTrunk(settings, first):
                self._addresses = map(IPv4Address, itertools.count(int(first)))
                return await self._runtime.trunk.open(settings)
            case SetPeers(peers):
                self._runtime.trunk.set_peers(peers)
                return None
            case AwaitPeers():
                while not all(  # noqa: ASYNC110  # there is no event to wait for
                    one.connected for one in self._runtime.trunk.statuses
                ):
                    await asyncio.sleep(0.01)
                return None
            case BootServer(program):
                server = self._boot(Program((*program.command, str(PORT))))
                self._servers[server.address] = server
                await _first_lines([server])
                return server.address
            case ServerReports(address):
                server = self._servers.pop(address)
                lines = await _lines_at_end(server)
                await _end([server])
                return reports(lines)
        raise AssertionError(f"unknown request {request!r}")

    def _ask_runtime(self, request: object) -> object:
        match request:
            case FabricBytes():
                _, used, _ = self._runtime.fabric.statistics()
                return used
            case ConfigureNetwork(configuration):
                self._runtime.configure_network(configuration)
                return None
            case PacerUsage():
                links = self._runtime.network_statistics(flows=False).links
                return pacer_cpu_s(), sum(link.packets for link in links)
        raise AssertionError(f"unknown request {request!r}")

    async def _run_case(self, case: Case) -> list[Report]:
        servers = [self._boot(Program((*case.server, str(PORT)))) for _ in range(case.pairs)]
        await _first_lines(servers)
        assert all(server.lines[0] == f"{LISTENING}{PORT}" for server in servers)
        start_ns = case.start_ns()
        clients = [
            self._boot(Program(tuple(case.client_command(server.address, PORT, start_ns))))
            for server in servers
        ]
        reporters = servers if case.reporter is Side.SERVER else clients
        lines = [line for pod in reporters for line in await _lines_at_end(pod)]
        await _end([*servers, *clients])
        return reports(lines)

    async def _run_scene(self, scene: RunScene) -> list[Report]:
        self._runtime.configure_network(scene.configuration)
        servers = [self._boot(Program((*one.command, str(PORT)))) for one in scene.servers]
        await _first_lines(servers)
        clients = [
            self._boot(
                Program(
                    tuple(word.format(address=server.address, port=PORT) for word in one.command)
                )
            )
            for one, server in zip(scene.clients, servers, strict=True)
        ]
        pairs = zip(servers, clients, scene.reporters, strict=True)
        told = [server if side is Side.SERVER else client for server, client, side in pairs]
        lines = [line for pod in told for line in await _lines_at_end(pod)]
        await _end([*servers, *clients])
        return reports(lines)

    async def _count_python_calls(self, case: Case) -> int:
        counter = CallCounter()
        counter.install()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run_case(case), name="case")
                await asyncio.sleep(QUIET_AFTER_S)
                counter.arm()
                await asyncio.sleep(QUIET_S)
                return counter.disarm()
        finally:
            counter.remove()

    async def _capture_scene(self, scene: RunScene) -> list[CapturedPacket]:
        self._runtime.configure_network(scene.configuration)
        groups = scene.configuration.groups
        with recording(self._runtime.fabric, [one for g in groups for one in g.interfaces]) as seen:
            await self._run_scene(scene)
        return seen

    async def _run_program(self, program: Program) -> list[Report]:
        return reports(await _lines_at_end(self._boot(program)))

    async def _boot_and_kill(self, program: Program) -> float:
        pod = self._boot(program)
        await _first_lines([pod])
        begin = time.perf_counter()
        await _end([pod])
        return time.perf_counter() - begin

    async def _boot_and_end(self, program: Program) -> float:
        pod = self._boot(program)
        await _lines_at_end(pod)
        return pod.first_line_at - pod.booted_at

    def _boot(self, program: Program) -> _LivePod:
        address = next(self._addresses)
        image, command = self._image_and_command(program)
        spec = PodSpec(
            name=f"pod-{int(address)}",
            service="bench",
            image=image.reference,
            command=command,
            mounts=(Mount(source=PROGRAMS, target="/bench", read_only=True),),
            interfaces=(Interface(network=NETWORK, address=address, prefix=SUBNET.prefixlen),),
        )
        live = _LivePod(str(address), time.perf_counter())
        folders = self._roots.open(spec, (*image.mounts, *spec.mounts))

        def ended(ending: PodExit) -> None:
            self._roots.close(spec.name, ())
            live.on_exit(ending)

        live.pod = self._runtime.boot(spec, image, live.on_output, ended, None, folders)
        return live

    def _image_and_command(self, program: Program) -> tuple[CompiledImage, tuple[str, ...]]:
        name, *arguments = program.command
        if name == "python":
            return self._image(self._python), program.command
        if is_python(name):
            return self._image(self._python), ("python", f"/bench/{name}", *arguments)
        return self._image(f"file:{pod_program(name)}"), program.command

    def _image(self, reference: str) -> CompiledImage:
        if reference not in self._prepared:
            self._prepared[reference] = self._images.prepare(reference, lambda _: None)
        return self._prepared[reference]


async def _first_lines(pods: Sequence[_LivePod]) -> None:
    for pod in pods:
        await pod.line_or_end.wait()
        pod.check()
        assert pod.first_line_at, f"{pod.address} ended without a line"


async def _lines_at_end(pod: _LivePod) -> list[str]:
    await pod.ended.wait()
    pod.check()
    return pod.lines


async def _end(pods: Sequence[_LivePod]) -> None:
    for pod in pods:
        assert pod.pod is not None
        pod.pod.kill()
    for pod in pods:
        await pod.ended.wait()
        pod.check()
