"""C programs built from one source, natively and for pods, and pods that run them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pod_node.engine import Compiler, EngineRuntime
from pod_node.engine.pod import EnginePod
from pod_node.guests.c import INCLUDE
from pod_node.spec import Interface, PodExit, PodSpec

FRONT = IPv4Network("10.10.0.0/24")
ZIG_CACHE = Path(__file__).resolve().parents[4] / "build" / "zig-cache"
EXAMPLE = INCLUDE.parent / "example"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")


def check_for_pod(source: Path, *flags: str) -> None:
    """Compile one source file and link nothing."""
    language = "c++" if source.suffix == ".cpp" else "cc"
    _run(
        [*_zig(language), *WARNINGS, *flags, "-c", str(source), "-o", str(source.with_suffix(".o"))]
    )


def build_for_pod(product: Path, *sources: Path) -> None:
    files = [str(source) for source in sources]
    _run([*_zig("cc"), "-O2", "-s", *WARNINGS, *files, "-o", str(product)])


def _zig(language: str) -> list[str]:
    compiler = [sys.executable, "-m", "ziglang", language, "--target=wasm32-wasi"]
    return [*compiler, "-I", str(INCLUDE)]


def run_natively(source: Path, folder: Path) -> str:
    """Build a program, run it as a process, and return what it printed."""
    program = folder / source.stem
    _run(["cc", "-O2", *WARNINGS, str(source), "-o", str(program)])
    return _run([str(program)])


def _run(command: Sequence[str]) -> str:
    cache = {"ZIG_GLOBAL_CACHE_DIR": str(ZIG_CACHE), "ZIG_LOCAL_CACHE_DIR": str(ZIG_CACHE)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | cache
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(eq=False)
class CPod:
    """A pod with everything that it has printed so far."""

    address: str
    output: bytearray = field(default_factory=bytearray)
    end: asyncio.Future[PodExit] = field(default_factory=lambda: asyncio.Future())
    printed: asyncio.Event = field(default_factory=asyncio.Event)
    engine_pod: EnginePod | None = None

    def hear(self, _descriptor: int, chunk: bytes) -> None:
        self.output += chunk
        self.printed.set()

    async def finished(self) -> str:
        """Wait for the end, which must be a good one, and return what the pod printed."""
        end = await self.end
        assert end.status == 0, f"{end}: {self.output.decode()}"
        return self.output.decode()


class CPods:
    """One network of pods."""

    def __init__(self, compiler: Compiler, folder: Path) -> None:
        self._compiler = compiler
        self._runtime = EngineRuntime(compiler, fabric_bytes=64 << 20)
        self._runtime.attach_network("front", FRONT)
        self._folder = folder
        self._names: dict[str, list[IPv4Address]] = {}

    def boot(self, source: Path, *arguments: str) -> CPod:
        """Build a program and boot it as a pod of the same name."""
        address = FRONT.network_address + 2 + len(self._names)
        name = source.stem
        spec = PodSpec(
            name=name,
            service=name,
            image=name,
            command=(name, *arguments),
            interfaces=(Interface(network="front", address=address, prefix=FRONT.prefixlen),),
        )
        pod = CPod(str(address))
        artifact = self._artifact(source)
        self._names[name] = [address]
        self._runtime.publish("front", self._names)
        pod.engine_pod = self._runtime.boot_artifact(
            spec, artifact, [name, *arguments], pod.hear, pod.end.set_result
        )
        return pod

    async def close(self) -> None:
        await self._runtime.close()

    def _artifact(self, source: Path) -> Path:
        module = self._folder / f"{source.stem}.wasm"
        build_for_pod(module, source)
        artifact = module.with_suffix(".cwasm")
        artifact.write_bytes(self._compiler.serialize(module.read_bytes()))
        return artifact
