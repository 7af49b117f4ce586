"""Real guests for tests: compile WebAssembly text, boot it on a fabric, wait for its end.

Owns one engine for the whole test process, as a node does. `lab()` gives a fabric with two
networks; guests get addresses in turn.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import wasmtime

from pod_node.engine import Compiler, EngineRuntime, create_engine, create_library
from pod_node.engine.fabric import is_internal
from pod_node.engine.program import NATIVE
from pod_node.images import (
    Blueprint,
    BuildStore,
    CacheFolder,
    CompiledImage,
    ImageLibrary,
    cache_root,
    find_image,
)
from pod_node.spec import Interface, Limits, Mount, PodExit, PodSpec, Tmpfs
from tests.support.puppet import Puppet, PuppetServer
from tests.support.wat import Import, puppet_text, script_text
from vnet.gateway import Resolve

if TYPE_CHECKING:
    from pod_node.engine.pod import EnginePod
    from pod_node.files import Roots

FABRIC_BYTES = 128 << 20
BUILT_PYTHON = "python:3.13"
NETWORKS = {"front": IPv4Network("10.10.0.0/16"), "back": IPv4Network("10.20.0.0/16")}
FRONT_GATEWAY, BACK_GATEWAY = "10.10.0.1", "10.20.0.1"


@cache
def shared_compiler() -> Compiler:
    return Compiler(create_engine(), CacheFolder(cache_root(os.environ)))


@cache
def _artifacts() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="podnet-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def compile_wasm(module: bytes) -> Path:
    """Compile a module for the shared engine, once a process."""
    path = _artifacts() / f"{hashlib.sha256(module).hexdigest()}.cwasm"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(shared_compiler().serialize(module))
        draft.replace(path)
    return path


@cache
def compile_text(text: str) -> Path:
    return compile_wasm(bytes(wasmtime.wat2wasm(text)))


@cache
def pod_imports() -> tuple[Import, ...]:
    """Every function that pods may import: what the kernel exports, and the engine's own."""
    kernel = shared_compiler().kernel()
    imports = [
        Import(export.name, tuple(map(str, kind.params)), tuple(map(str, kind.results)))
        for export in kernel.exports
        if isinstance(kind := export.type, wasmtime.FuncType) and not is_internal(export.name)
    ]
    imports += [
        Import(name, signature.parameters, signature.results) for name, signature in NATIVE.items()
    ]
    return tuple(sorted(imports, key=lambda function: function.name))


def declare(*names: str) -> tuple[Import, ...]:
    """The imports of these names."""
    return tuple(function for function in pod_imports() if function.name in names)


async def eventually(condition: Callable[[], object]) -> None:
    """Let the event loop run until something that nobody announces is true."""
    while not condition():  # noqa: ASYNC110  # there is no event to wait for
        await asyncio.sleep(0)


@dataclass(eq=False)
class Guest:
    """A booted pod, with everything that it has printed so far."""

    name: str
    address: str
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    exit: PodExit | None = None
    pod: EnginePod | None = None

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()

    def hear(self, descriptor: int, data: bytes) -> None:
        (self.output if descriptor == 1 else self.errors).extend(data)
        self._changed.set()

    def ended(self, outcome: PodExit) -> None:
        assert self.exit is None, "a guest ends once"
        self.exit = outcome
        self._changed.set()

    def kill(self) -> None:
        assert self.pod is not None
        self.pod.kill()

    async def until(self, condition: Callable[[Guest], object]) -> None:
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()

    async def printed(self, text: bytes) -> None:
        await self.until(lambda guest: text in guest.output or guest.exit)
        assert text in self.output, f"{self.exit} {self.output!r} {self.errors!r}"

    async def end(self) -> PodExit:
        await self.until(lambda guest: guest.exit)
        assert self.exit is not None
        return self.exit

    async def killed(self) -> PodExit:
        self.kill()
        return await self.end()


class Lab:
    """One fabric, with the networks `front` and `back`."""

    def __init__(self, runtime: EngineRuntime) -> None:
        self.runtime = runtime
        self._next = dict.fromkeys(NETWORKS, 2)
        self._puppets: PuppetServer | None = None
        self._booted = 0
        for name, subnet in NETWORKS.items():
            runtime.attach_network(name, subnet)

    def interface(self, network: str) -> Interface:
        """The next free address of a network."""
        subnet = NETWORKS[network]
        address = subnet.network_address + self._next[network]
        self._next[network] += 1
        return Interface(network=network, address=address, prefix=subnet.prefixlen)

    def boot(
        self,
        artifact: Path,
        *argv: str,
        name: str = "",
        networks: tuple[str, ...] = ("front",),
        interfaces: tuple[Interface, ...] = (),
        mounts: tuple[Mount, ...] = (),
        environment: tuple[tuple[str, str], ...] = (),
        tmpfs: tuple[Tmpfs, ...] = (),
        limits: Limits | None = None,
        working_dir: str = "/",
        roots: Roots | None = None,
    ) -> Guest:
        """Boot a compiled module; without `roots` it has no root."""
        self._booted += 1
        interfaces = interfaces or tuple(self.interface(network) for network in networks)
        spec = PodSpec(
            name=name or f"guest-{self._booted}",
            service="guest",
            image="guest",
            command=argv,
            environment=environment,
            working_dir=working_dir,
            mounts=mounts,
            tmpfs=tmpfs,
            interfaces=interfaces,
            limits=limits or Limits(),
        )
        folders = roots.open(spec, mounts) if roots else None
        guest = Guest(spec.name, str(interfaces[0].address) if interfaces else "")

        def ended(outcome: PodExit) -> None:
            if roots is not None and guest.pod is not None:
                disks = guest.pod.disks()
                roots.close(spec.name, disks.usage(), disks.hidden())
            guest.ended(outcome)

        guest.pod = self.runtime.boot_artifact(
            spec, artifact, list(argv), guest.hear, ended, None, folders
        )
        return guest

    def boot_text(
        self,
        text: str,
        *argv: str,
        networks: tuple[str, ...] = ("front",),
        mounts: tuple[Mount, ...] = (),
        limits: Limits | None = None,
        roots: Roots | None = None,
    ) -> Guest:
        """Boot a module in the text format."""
        return self.boot(
            compile_text(text),
            *(argv or ("guest",)),
            networks=networks,
            mounts=mounts,
            limits=limits,
            roots=roots,
        )

    def boot_script(
        self, folder: Path, at: int, memory: bytes, roots: Roots | None = None
    ) -> Guest:
        """Boot the guest that runs `folder`'s file `script`; the folder is descriptor 3.

        With `roots` it has a root, as descriptor 4, and the folder is a layer below that.
        """
        layered = roots is not None
        mount = Mount(
            source=folder, target="/work", read_only=layered, layer=layered, links=layered
        )
        text = script_text(pod_imports(), at, memory)
        return self.boot_text(text, mounts=(mount,), roots=roots)

    async def puppet(
        self,
        *,
        name: str = "",
        networks: tuple[str, ...] = ("front",),
        interfaces: tuple[Interface, ...] = (),
        mounts: tuple[Mount, ...] = (),
        limits: Limits | None = None,
        tmpfs: tuple[Tmpfs, ...] = (),
        environment: tuple[tuple[str, str], ...] = (),
        working_dir: str = "/",
        roots: Roots | None = None,
    ) -> Puppet:
        """Boot a guest that does what the test says, and wait until it is connected."""
        if self._puppets is None:
            gateway = str(NETWORKS["front"].network_address + 1)
            self._puppets = await PuppetServer.open(self.runtime.endpoint, gateway)
        guest = self.boot(
            compile_text(puppet_text(pod_imports())),
            self._puppets.path,
            name=name,
            networks=networks,
            interfaces=interfaces,
            mounts=mounts,
            limits=limits,
            tmpfs=tmpfs,
            environment=environment,
            working_dir=working_dir,
            roots=roots,
        )
        return await self._connected(guest, 1)

    async def _connected(self, guest: Guest, number: int) -> Puppet:
        assert self._puppets is not None
        numbers = {function.name: index for index, function in enumerate(pod_imports())}
        reader, writer = await self._puppets.connected(guest)
        return Puppet(guest, numbers, reader, writer, number)

    @property
    def puppet_path(self) -> str:
        """What a puppet has as its program's name."""
        assert self._puppets is not None, "boot a puppet first"
        return self._puppets.path

    def puppet_request(self, *records: str) -> bytes:
        """A request to spawn another puppet."""
        return b"".join(f"{one}\0".encode() for one in (f"a{self.puppet_path}", *records))

    async def spawned(self, parent: Puppet, number: int) -> Puppet:
        """The puppet that another one has just spawned."""
        return await self._connected(parent.guest, number)

    async def spawn_puppet(self, parent: Puppet, *records: str) -> Puppet:
        """Have a puppet spawn another one in its pod."""
        return await self.spawned(parent, await parent.spawn(self.puppet_request(*records)))

    def publish(self, names: Mapping[str, list[str]], network: str = "front") -> None:
        addresses = {name: [IPv4Address(one) for one in some] for name, some in names.items()}
        self.runtime.publish(network, addresses)

    def statistics(self) -> tuple[int, int]:
        """Bytes in use, and open sockets."""
        _, used, sockets = self.runtime.fabric.statistics()
        return used, sockets


@asynccontextmanager
async def lab(
    fabric_bytes: int = FABRIC_BYTES, cores: int | None = None, resolve: Resolve | None = None
) -> AsyncIterator[Lab]:
    """A fabric whose guests are all gone at the end."""
    runtime = EngineRuntime(
        shared_compiler(), fabric_bytes=fabric_bytes, cores=cores, resolve=resolve
    )
    try:
        yield Lab(runtime)
    finally:
        await runtime.close()


@cache
def python_image() -> CompiledImage:
    """The image `python`; its first use in a checkout fetches and compiles it."""
    return _library().prepare("python", lambda progress: None)


@cache
def built_python_image() -> CompiledImage | None:
    """The image `python:3.13`, if it was built before: no test builds it."""
    image = find_image(BUILT_PYTHON)
    assert isinstance(image, Blueprint)
    if BuildStore(CacheFolder(cache_root(os.environ))).find(image) is None:
        return None
    return _library().prepare(BUILT_PYTHON, lambda progress: None)


@cache
def _library() -> ImageLibrary:
    return create_library(shared_compiler(), CacheFolder(cache_root(os.environ)))
