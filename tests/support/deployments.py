"""A running deployment without guests: its control over a real socket, its node a fake runtime."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.codec import DeploymentClient
from orchestrator.orchestration.orchestrator import Orchestrator
from orchestrator.serving.service import serve_control
from orchestrator.store.state import DeploymentFolder
from orchestrator.store.store import Store
from orchestrator.topology.loader import read_topology_bytes
from tests.support.pods import FakeRuntime
from tests.support.serving import ServedBackend, ServedNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from orchestrator.orchestration.control import Control
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.phases import PodView
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal

TOPOLOGY = """
name: test
networks:
  front: {subnet: 10.10.0.0/24}
  back: {subnet: 10.20.0.0/24}
services:
  web: {image: python, networks: [front], deploy: {replicas: 2}}
  gw: {image: python, networks: [front, back], router: true}
  api: {image: python, networks: [back]}
links:
  - {endpoints: [web, gw], delay: 20ms, loss: 1%}
policies:
  - {service: api, ingress: [{from: [web], ports: [8000, 53/udp]}]}
"""


@dataclass
class QuietScreen:
    """Keeps the notices."""

    notices: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def show_image(self, step: Progress) -> None: ...

    def show_pod(self, view: PodView) -> None: ...

    def drop_pod(self, pod: str) -> None: ...

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        self.started.set()

    def show_lines(self, lines: LogLines, lost: int) -> None: ...

    def show_notice(self, text: str) -> None:
        self.notices.append(text)


@dataclass
class RunningDeployment:
    """A deployment whose pods have started, and a client of it."""

    client: DeploymentClient
    control: Control
    runtime: FakeRuntime
    screen: QuietScreen
    node: ServedNode
    orchestrator: Orchestrator
    backend: ServedBackend
    source: TopologySource
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def call(self, action: Callable[[], object]) -> None:
        """Do something on the deployment's loop, from another thread; return when it is done."""

        async def acting() -> None:
            action()

        asyncio.run_coroutine_threadsafe(acting(), self.loop).result()

    def wait_until(self, found: Callable[[], bool]) -> None:
        """Wait for a condition that holds on the deployment's loop, from another thread."""

        async def waiting() -> None:
            async with asyncio.timeout(20):
                while not found():  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(0.005)

        asyncio.run_coroutine_threadsafe(waiting(), self.loop).result()


@asynccontextmanager
async def running_deployment(
    folder: Path,
    text: str = TOPOLOGY,
    *,
    name: str = "test",
    runtime: FakeRuntime | None = None,
    backend: ServedBackend | None = None,
) -> AsyncIterator[RunningDeployment]:
    """Run a topology's deployment until the block ends; its state is below `folder`."""
    reading = read_topology_bytes(text.encode(), "test.yaml", folder, {})
    assert reading.source is not None, reading.problems
    source = replace(reading.source, path="/test.yaml")
    state = DeploymentFolder(folder, name)
    screen = QuietScreen()
    backend = backend or ServedBackend(runtime or FakeRuntime())
    with state.hold(), Store.open(state.database) as store:
        orchestrator = Orchestrator(
            state, store, backend, screen, time.time, lambda image, _: image, foreground=True
        )
        async with serve_control(orchestrator, state.control_socket):
            loop = asyncio.get_running_loop()
            running = loop.create_task(orchestrator.run())
            applying = loop.create_task(_applied(orchestrator, source))
            try:
                await asyncio.wait([running, applying], return_when=asyncio.FIRST_COMPLETED)
                assert not running.done(), running.exception()
                await applying
                assert backend.served is not None
                async with DeploymentClient(state.control_socket) as client:
                    yield RunningDeployment(
                        client,
                        orchestrator.control,
                        backend.served.runtime,
                        screen,
                        backend.served,
                        orchestrator,
                        backend,
                        source,
                    )
            finally:
                orchestrator.end_soon(0.0)
                applying.cancel()
                await asyncio.wait([running, applying])


async def _applied(orchestrator: Orchestrator, source: TopologySource) -> None:
    async with aclosing(orchestrator.requests.apply(source)) as steps:
        async for _ in steps:
            pass


@contextmanager
def deployment_in_background(
    folder: Path, text: str = TOPOLOGY, *, name: str = "test"
) -> Iterator[RunningDeployment]:
    """As `running_deployment`, on a thread of its own, for programs that have their own loop."""
    ready = threading.Event()
    found: list[RunningDeployment] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), over))
        try:
            async with running_deployment(folder, text, name=name) as deployment:
                found.append(deployment)
                ready.set()
                await over.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name=f"deployment {name}")
    thread.start()
    ready.wait()
    try:
        assert found, "the deployment did not start"
        yield found[0]
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join()
