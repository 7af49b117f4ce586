from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.launch import DeploymentFailedError, Launch
from orchestrator.plan import Condition, PlannedPortal
from orchestrator.topology.values import RestartMode, RestartPolicy
from tests.support.plans import make_plan, planned_pod
from tests.support.pods import FakePod, FakeRuntime, tcp_check
from tests.support.serving import ServedNode, served_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from orchestrator.phases import PodView
    from orchestrator.plan import Plan
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal
    from vnet.egress import EgressHappening


@dataclass
class RecordingScreen:
    """Remembers what it was told, and lets a test wait for it."""

    images: list[str] = field(default_factory=list)
    pods: list[tuple[str, str]] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    portals: list[OpenPortal] = field(default_factory=list)
    started: list[str] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show_image(self, step: Progress) -> None:
        self.images.append(step.phase.value)

    def show_pod(self, view: PodView) -> None:
        self.pods.append((view.spec.name, view.state))
        self.changed.set()

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        self.started = [view.spec.name for view in views]
        self.portals = list(portals)
        self.changed.set()

    def show_lines(self, lines: LogLines, lost: int) -> None:
        self.lines.extend((lines.pod, line) for line in lines.lines)
        self.changed.set()

    def show_notice(self, text: str) -> None:
        self.notices.append(text)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@dataclass
class RecordingCompanion:
    """Remembers when it was told what."""

    runtime: FakeRuntime | None = None
    told: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        assert self.runtime is not None
        self.told.append(f"begin with {len(self.runtime.boots)} pods")

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        self.told.append(f"{len(portals)} portals")

    def pod_changed(self, view: PodView) -> None:
        self.told.append(f"{view.spec.name} {view.state}")

    def egress_happened(self, happening: EgressHappening) -> None:
        self.told.append(f"{happening.pod} left")

    def started(self) -> None:
        self.told.append("started")

    async def run(self) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def launched(
    plan: Plan, runtime: FakeRuntime | None = None, companion: RecordingCompanion | None = None
) -> AsyncIterator[tuple[ServedNode, RecordingScreen, asyncio.Task[list[PodView]]]]:
    screen = RecordingScreen()
    async with served_node(runtime) as served:
        companion = companion or RecordingCompanion()
        companion.runtime = served.runtime
        launch = Launch(plan, served.client, screen, companion, time.time)
        loop = asyncio.get_running_loop()
        task = loop.create_task(launch.run())
        try:
            yield served, screen, task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()


async def test_a_deployment_starts_runs_and_ends() -> None:
    plan = make_plan(planned_pod("a-1"), planned_pod("b-1", needs={"a": Condition.STARTED}))
    async with launched(plan) as (served, screen, task):
        await screen.until(lambda: screen.started is not None)
        assert served.runtime.boots == ["a-1", "b-1"]
        assert screen.images == ["fetching", "compiling", "ready"]
        for pod in served.runtime.pods.values():
            pod.exit(0)
        assert all(view.succeeded for view in await task)


async def test_a_pod_finds_the_names_it_waited_for() -> None:
    names: dict[str, dict[str, list[str]]] = {}
    runtime = FakeRuntime()

    def note_names(pod: FakePod) -> None:
        names[pod.spec.name] = dict(runtime.names["front"])

    runtime.script = note_names
    plan = make_plan(planned_pod("a-1"), planned_pod("b-1", needs={"a": Condition.STARTED}))
    async with launched(plan, runtime) as (_, screen, _task):
        await screen.until(lambda: screen.started is not None)
    assert names["a-1"] == {"a": [], "a-1": [], "b": [], "b-1": []}
    assert names["b-1"]["a"] == ["127.0.0.1"]


async def test_portals_lead_to_pods_once_they_are_healthy() -> None:
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    portal = PlannedPortal(service="web", port=port, host_port=None, pods=("web-1", "web-2"))
    plan = make_plan(
        planned_pod("web-1", check=tcp_check(port)), planned_pod("web-2"), portals=[portal]
    )
    async with launched(plan) as (served, screen, _):
        await screen.until(lambda: screen.started is not None)
        backends = served.node.portals.views()[0].backends
        assert [backend.pod for backend in backends] == ["web-1", "web-2"]
        assert screen.portals[0].url.endswith("/")
        listener.close()
        await listener.wait_closed()
        await screen.until(lambda: ("web-1", "unhealthy") in screen.pods)
        served.runtime.pods["web-2"].exit(0)
        await screen.until(lambda: ("web-2", "exited (0)") in screen.pods)


async def test_output_reaches_the_screen() -> None:
    async with launched(make_plan(planned_pod("a-1"))) as (served, screen, _):
        await screen.until(lambda: screen.started is not None)
        served.runtime.pods["a-1"].write(1, b"hello\nyou\n")
        await screen.until(lambda: len(screen.lines) == 2)
    assert screen.lines == [("a-1", b"hello"), ("a-1", b"you")]


async def test_all_that_a_pod_wrote_is_shown_before_its_end() -> None:
    def script(pod: FakePod) -> None:
        pod.write(1, b"line\n" * 60_000 + b"last")
        pod.exit(0)

    plan = make_plan(planned_pod("a-1", restart=RestartPolicy(RestartMode.NO)))
    async with launched(plan, FakeRuntime(script)) as (_, screen, task):
        await screen.until(lambda: ("a-1", "exited (0)") in screen.pods)
        assert len(screen.lines) == 60_001
        assert screen.lines[-1] == ("a-1", b"last")
        await task


async def test_what_a_pod_wrote_before_anybody_listened_reaches_the_screen() -> None:
    runtime = FakeRuntime(script=lambda pod: pod.write(1, b"early\n"))
    async with launched(make_plan(planned_pod("a-1")), runtime) as (_, screen, _task):
        await screen.until(lambda: bool(screen.lines))
    assert screen.lines == [("a-1", b"early")]


async def test_a_pod_that_fails_is_started_again() -> None:
    restart = RestartPolicy(RestartMode.ON_FAILURE, 2)
    runtime = FakeRuntime(script=lambda pod: pod.exit(7))
    async with launched(make_plan(planned_pod("a-1", restart=restart)), runtime) as running:
        served, screen, task = running
        views = await task
    assert served.runtime.boots == ["a-1"] * 3
    assert (views[0].state, views[0].restarts) == ("exited (7)", 2)
    assert ("a-1", "restarting (7)") in screen.pods


async def test_a_missing_image_ends_it_with_a_clear_error() -> None:
    plan = make_plan(planned_pod("a-1", image="missing"), planned_pod("b-1"))
    async with launched(plan) as (_, _screen, task):
        with pytest.raises(DeploymentFailedError) as failure:
            await task
    assert str(failure.value) == (
        'deployment "test" could not start:\n'
        "  a-1: failed: image missing: no source could give its module"
    )


async def test_a_refused_boot_ends_it_with_a_clear_error() -> None:
    runtime = FakeRuntime(refusals={"a-1": "the fabric is full"})
    async with launched(make_plan(planned_pod("a-1")), runtime) as (_, _screen, task):
        with pytest.raises(DeploymentFailedError, match="the fabric is full"):
            await task


async def test_a_dependency_that_died_ends_it_with_its_last_words() -> None:
    def die(pod: FakePod) -> None:
        pod.write(2, b"python: can't open file '/app/x.py'\n")
        pod.exit(2)

    plan = make_plan(
        planned_pod("api-1", check=tcp_check(1)),
        planned_pod("web-1", needs={"api": Condition.HEALTHY}),
    )
    async with launched(plan, FakeRuntime(script=die)) as (_, _screen, task):
        with pytest.raises(DeploymentFailedError) as failure:
            await task
    assert "web-1: blocked: api-1 is exited (2): python: can't open file" in str(failure.value)


async def test_a_host_port_in_use_ends_it_before_anything_boots() -> None:
    blocker = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = blocker.sockets[0].getsockname()[1]
    portal = PlannedPortal(service="a", port=80, host_port=port, pods=("a-1",))
    async with blocker, launched(make_plan(planned_pod("a-1"), portals=[portal])) as running:
        served, _screen, task = running
        with pytest.raises(NodeRefusedError, match=f"port {port} on 127.0.0.1 is in use"):
            await task
    assert served.runtime.boots == []


async def test_a_node_that_is_lost_ends_it() -> None:
    async with launched(make_plan(planned_pod("a-1"))) as (served, screen, task):
        await screen.until(lambda: screen.started is not None)
        await served.server.stop(grace=None)
        with pytest.raises(NodeLostError):
            await task


async def test_a_hundred_pods_start() -> None:
    plan = make_plan(*(planned_pod(f"a-{n}") for n in range(1, 101)))
    async with launched(plan) as (served, screen, _):
        await screen.until(lambda: screen.started is not None)
    assert sorted(served.runtime.boots) == sorted(f"a-{n}" for n in range(1, 101))


async def test_a_companion_has_its_turn_before_the_first_pod_and_after_the_start() -> None:
    companion = RecordingCompanion()
    async with launched(make_plan(planned_pod("web-1")), companion=companion) as (_, screen, _):
        await screen.until(lambda: screen.started is not None)
    assert companion.told[:2] == ["begin with 0 pods", "0 portals"]
    assert companion.told[-2:] == ["web-1 running", "started"]
