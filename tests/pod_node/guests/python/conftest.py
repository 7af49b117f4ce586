"""Real CPython pods for tests: boot programs, publish names, wait for lines and for ends."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypedDict, Unpack

import pytest

from pod_node.engine import EngineRuntime
from pod_node.images import CompiledImage
from pod_node.spec import Interface, Mount, PodExit, PodSpec
from tests.support.lab import BUILT_PYTHON, NETWORKS, built_python_image, lab, python_image

FRONT = NETWORKS["front"]
FABRIC_BYTES = 256 << 20
PROGRAMS = Path(__file__).parent / "programs"


@dataclass(eq=False)
class RunningPod:
    """A pod with everything that it has printed so far."""

    address: str
    output: str = ""
    errors: str = ""
    end: PodExit | None = None
    kill: Callable[[], None] = lambda: None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, descriptor: int, data: bytes) -> None:
        if descriptor == 1:
            self.output += data.decode()
        else:
            self.errors += data.decode()
        self._heard.set()

    def ended(self, end: PodExit) -> None:
        self.end = end
        self._heard.set()

    async def printed(self, text: str) -> None:
        """Wait until the pod has printed `text`."""
        while text not in self.output:
            assert self.end is None, f"ended without printing {text!r}: {self.report()}"
            self._heard.clear()
            await self._heard.wait()

    async def complained(self, text: str) -> None:
        """Wait until the pod has written `text` to standard error."""
        while text not in self.errors:
            assert self.end is None, f"ended without saying {text!r}: {self.report()}"
            self._heard.clear()
            await self._heard.wait()

    async def ended_somehow(self) -> PodExit:
        """Wait until the pod has ended, and return how."""
        while self.end is None:
            self._heard.clear()
            await self._heard.wait()
        return self.end

    async def finished(self) -> str:
        """Wait until the pod has ended well, and return what it printed."""
        assert (await self.ended_somehow()).status == 0, self.report()
        return self.output

    def report(self) -> str:
        return f"{self.end}\n{self.output}\n{self.errors}"


class Options(TypedDict, total=False):
    """How a pod differs from the usual one."""

    name: str
    mounts: tuple[Mount, ...]
    environment: tuple[tuple[str, str], ...]
    working_dir: str


class PodNetwork:
    """One network of pods, on one fabric."""

    def __init__(self, runtime: EngineRuntime, image: CompiledImage) -> None:
        self._runtime = runtime
        self._image = image
        self._names: dict[str, list[IPv4Address]] = {}
        self._booted = 0

    def publish(self, names: Mapping[str, list[IPv4Address]]) -> None:
        """Publish names beside those of the pods."""
        self._names.update(names)
        self._runtime.publish("front", self._names)

    def boot(
        self,
        *command: str,
        name: str = "",
        mounts: tuple[Mount, ...] = (),
        environment: tuple[tuple[str, str], ...] = (),
        working_dir: str = "/",
    ) -> RunningPod:
        """Boot `python COMMAND`; the programs of this folder are in `/programs`."""
        self._booted += 1
        address = FRONT.network_address + 1 + self._booted
        name = name or f"pod-{self._booted}"
        self._names[name] = [address]
        self._runtime.publish("front", self._names)
        pod = RunningPod(str(address))
        spec = PodSpec(
            name=name,
            service=name,
            image="python",
            command=("python", *command),
            environment=environment,
            working_dir=working_dir,
            mounts=(Mount(source=PROGRAMS, target="/programs", read_only=True), *mounts),
            interfaces=(Interface(network="front", address=address, prefix=FRONT.prefixlen),),
        )
        pod.kill = self._runtime.boot(spec, self._image, pod.hear, pod.ended).kill
        return pod

    def run(self, code: str, **options: Unpack[Options]) -> RunningPod:
        """Boot `python -c CODE`."""
        return self.boot("-c", textwrap.dedent(code), **options)


@pytest.fixture(params=["python", pytest.param(BUILT_PYTHON, marks=pytest.mark.slow)])
async def pods(request: pytest.FixtureRequest) -> AsyncIterator[PodNetwork]:
    """Pods of the shipped image, and of the built one where it has been built."""
    image = python_image() if request.param == "python" else built_python_image()
    if image is None:
        pytest.skip(f"not built here: podnet image build {BUILT_PYTHON}")
    async with lab(FABRIC_BYTES) as bench:
        yield PodNetwork(bench.runtime, image)
