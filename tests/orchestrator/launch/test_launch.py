from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.backend import NodeDiedError
from orchestrator.codec import NodeRefusedError
from orchestrator.desired.plan import Condition, PlannedPortal
from orchestrator.desired.steps import step_view
from orchestrator.launch.launch import Launch
from orchestrator.topology.values import RestartMode, RestartPolicy
from tests.support.plans import make_plan, order_for, planned_pod
from tests.support.pods import FakePod, FakeRuntime, tcp_check
from tests.support.serving import ServedBackend, ServedNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.plan import Plan
    from orchestrator.launch.order import Order
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView
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
    dropped: list[str] = field(default_factory=list)
    portals: list[OpenPortal] = field(default_factory=list)
    started: list[str] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show_image(self, step: Progress) -> None:
        self.images.append(step.phase.value)

    def show_pod(self, view: PodView) -> None:
        self.pods.append((view.spec.name, view.state))
        self.changed.set()

    def drop_pod(self, pod: str) -> None:
        self.dropped.append(pod)
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

    screen: RecordingScreen
    launch: Launch | None = None
    runtime: FakeRuntime | None = None
    told: list[str] = field(default_factory=list)

    def node_connected(self, client: Nodes | None) -> None:
        if client is not None:
            self.told.append("node")

    async def planned(self, order: Order, *, without: Collection[str] = ()) -> None:
        assert self.runtime is not None
        but = f", but for {', '.join(sorted(without))}" if without else ""
        self.told.append(f"planned with {len(self.runtime.boots)} pods{but}")

    def pods_displaced(self, pods: Collection[str]) -> None: ...

    def portals_opened(self, portals: Sequence[OpenPortal]) -> None:
        self.told.append(f"{len(portals)} portals")

    def pod_changed(self, view: PodView) -> None:
        self.told.append(f"{view.spec.name} {view.state}")

    def pod_removed(self, pod: str) -> None:
        self.told.append(f"{pod} removed")

    def rollout_changed(self, view: RolloutView) -> None:
        self.told.append(str(view))

    def rollout_finished(self, service: str) -> None:
        self.told.append(f"{service} is up to date")

    def rollout_failed(self, service: str, reason: str) -> None:
        self.told.append(f"{service} failed: {reason}")

    def restarts_changed(self, pod: str, record: RestartRecord | None) -> None: ...

    def egress_happened(self, happening: EgressHappening) -> None:
        self.told.append(f"{happening.pod} left")

    def trouble_told(self, text: str) -> None:
        self.screen.show_notice(text)

    def node_lost(self, reason: str) -> None:
        self.told.append(reason)
        self.screen.started = None

    def progressed(self) -> None:
        assert self.launch is not None
        deployment = self.launch.deployment
        settled = deployment.plans and deployment.settled and self.launch.published
        if settled and self.screen.started is None:
            self.screen.show_started(deployment.views, self.launch.portals)

    async def run_companion(self) -> None:
        await asyncio.Event().wait()


@dataclass
class Launched:
    """A deployment that runs, and who watches it."""

    launch: Launch
    backend: ServedBackend
    screen: RecordingScreen
    companion: RecordingCompanion
    task: asyncio.Task[list[PodView]]

    @property
    def served(self) -> ServedNode:
        assert self.backend.served is not None
        return self.backend.served

    @property
    def runtime(self) -> FakeRuntime:
        assert self.companion.runtime is not None
        return self.companion.runtime

    async def started(self) -> None:
        await self.screen.until(lambda: self.screen.started is not None)


@asynccontextmanager
async def launched(plan: Plan, runtime: FakeRuntime | None = None) -> AsyncIterator[Launched]:
    screen = RecordingScreen()
    companion = RecordingCompanion(screen)
    companion.runtime = runtime or FakeRuntime()
    backend = ServedBackend(companion.runtime)
    launch = companion.launch = Launch(backend, screen, companion, time.time)
    await launch.plan(order_for(plan))
    task = asyncio.get_running_loop().create_task(launch.run())
    running = Launched(launch, backend, screen, companion, task)
    try:
        await asyncio.wait(
            [task, asyncio.get_running_loop().create_task(launch.reached())],
            return_when=asyncio.FIRST_COMPLETED,
        )
        yield running
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        await backend.end()


async def test_a_deployment_starts_runs_and_ends() -> None:
    plan = make_plan(planned_pod("a-1"), planned_pod("b-1", needs={"a": Condition.STARTED}))
    async with launched(plan) as run:
        await run.started()
        assert run.runtime.boots == ["a-1", "b-1"]
        assert run.screen.images == ["fetching", "compiling", "ready"]
        for pod in run.runtime.pods.values():
            pod.exit(0)
        assert all(view.succeeded for view in await run.task)


async def test_a_pod_finds_the_names_it_waited_for() -> None:
    names: dict[str, dict[str, list[str]]] = {}
    runtime = FakeRuntime()

    def note_names(pod: FakePod) -> None:
        names[pod.spec.name] = dict(runtime.names["front"])

    runtime.script = note_names
    plan = make_plan(planned_pod("a-1"), planned_pod("b-1", needs={"a": Condition.STARTED}))
    async with launched(plan, runtime) as run:
        await run.started()
    assert names["a-1"] == {"a": [], "a-1": [], "b": [], "b-1": []}
    assert names["b-1"]["a"] == ["127.0.0.1"]


async def test_portals_lead_to_pods_once_they_are_healthy() -> None:
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    portal = PlannedPortal(service="web", port=port, host_port=None, pods=("web-1", "web-2"))
    plan = make_plan(
        planned_pod("web-1", check=tcp_check(port)), planned_pod("web-2"), portals=[portal]
    )
    async with launched(plan) as run:
        await run.started()
        backends = run.served.node.portals.views()[0].backends
        assert [backend.pod for backend in backends] == ["web-1", "web-2"]
        assert run.screen.portals[0].url.endswith("/")
        listener.close()
        await listener.wait_closed()
        await run.screen.until(lambda: ("web-1", "unhealthy") in run.screen.pods)
        run.runtime.pods["web-2"].exit(0)
        await run.screen.until(lambda: ("web-2", "exited (0)") in run.screen.pods)


async def test_output_reaches_the_screen() -> None:
    async with launched(make_plan(planned_pod("a-1"))) as run:
        await run.started()
        run.runtime.pods["a-1"].write(1, b"hello\nyou\n")
        await run.screen.until(lambda: len(run.screen.lines) == 2)
    assert run.screen.lines == [("a-1", b"hello"), ("a-1", b"you")]


async def test_all_that_a_pod_wrote_is_shown_before_its_end() -> None:
    def script(pod: FakePod) -> None:
        pod.write(1, b"line\n" * 60_000 + b"last")
        pod.exit(0)

    plan = make_plan(planned_pod("a-1", restart=RestartPolicy(RestartMode.NO)))
    async with launched(plan, FakeRuntime(script)) as run:
        await run.screen.until(lambda: ("a-1", "exited (0)") in run.screen.pods)
        assert len(run.screen.lines) == 60_001
        assert run.screen.lines[-1] == ("a-1", b"last")
        await run.task


async def test_what_a_pod_wrote_before_anybody_listened_reaches_the_screen() -> None:
    runtime = FakeRuntime(script=lambda pod: pod.write(1, b"early\n"))
    async with launched(make_plan(planned_pod("a-1")), runtime) as run:
        await run.screen.until(lambda: bool(run.screen.lines))
    assert run.screen.lines == [("a-1", b"early")]


async def test_a_hundred_pods_start() -> None:
    plan = make_plan(*(planned_pod(f"a-{n}") for n in range(1, 101)))
    async with launched(plan) as run:
        await run.started()
    assert sorted(run.runtime.boots) == sorted(f"a-{n}" for n in range(1, 101))


async def test_a_pod_that_fails_is_started_again() -> None:
    restart = RestartPolicy(RestartMode.ON_FAILURE, 2)
    runtime = FakeRuntime(script=lambda pod: pod.exit(7))
    async with launched(make_plan(planned_pod("a-1", restart=restart)), runtime) as run:
        views = await run.task
    assert runtime.boots == ["a-1"] * 3
    assert (views[0].state, views[0].restarts) == ("exited (7)", 2)
    assert ("a-1", "restarting (7)") in run.screen.pods


async def test_a_host_port_in_use_ends_it_before_anything_boots() -> None:
    blocker = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = blocker.sockets[0].getsockname()[1]
    portal = PlannedPortal(service="a", port=80, host_port=port, pods=("a-1",))
    async with blocker, launched(make_plan(planned_pod("a-1"), portals=[portal])) as run:
        with pytest.raises(NodeRefusedError, match=f"port {port} on 127.0.0.1 is in use"):
            await run.task
        assert run.runtime.boots == []


async def test_the_pods_of_a_node_that_is_lost_are_booted_on_the_next() -> None:
    portal = PlannedPortal(service="a", port=80, host_port=None, pods=("a-1",))
    async with launched(make_plan(planned_pod("a-1"), portals=[portal])) as run:
        await run.started()
        await run.served.server.stop(grace=None)
        await run.screen.until(lambda: run.runtime.boots == ["a-1", "a-1"])
        await run.started()
        assert run.backend.starts == 2
        assert "node lost (signal SIGSEGV): Fatal Python error" in run.companion.told
        (view,) = run.launch.deployment.views
        assert view.reason == "node lost (signal SIGSEGV): Fatal Python error"
        assert [portal.service for portal in run.launch.portals] == ["a"]


async def test_a_portal_that_the_next_node_cannot_open_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    portals = [
        PlannedPortal(service="a", port=80, host_port=port, pods=("a-1",)),
        PlannedPortal(service="a", port=81, host_port=None, pods=("a-1",)),
    ]
    async with launched(make_plan(planned_pod("a-1"), portals=portals)) as run:
        await run.started()
        death = run.backend.death
        blockers = []

        async def death_and_another_program() -> NodeDiedError:
            died = await death()
            taken = asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
            blockers.append(await taken)
            return died

        monkeypatch.setattr(run.backend, "death", death_and_another_program)
        await run.served.server.stop(grace=None)
        await run.screen.until(lambda: run.runtime.boots == ["a-1", "a-1"])
        await run.started()
        assert [portal.port for portal in run.launch.portals] == [81]
        assert any(f"port {port} on 127.0.0.1 is in use" in text for text in run.screen.notices)
        for blocker in blockers:
            blocker.close()


async def test_a_companion_has_its_turn_before_the_first_pod() -> None:
    async with launched(make_plan(planned_pod("web-1"))) as run:
        await run.started()
        assert run.companion.told[:3] == ["node", "planned with 0 pods", "0 portals"]
        assert run.companion.told[-1] == "web-1 running"


async def test_another_plan_changes_only_what_differs() -> None:
    async with launched(make_plan(planned_pod("a-1"), planned_pod("b-1"))) as run:
        await run.started()
        plan = make_plan(planned_pod("a-1"), planned_pod("b-1", command=("other",)))
        steps = await run.launch.plan(order_for(plan))
        assert [str(step_view(step)) for step in steps] == ["replace b-1: command changes"]
        await run.screen.until(lambda: run.runtime.boots == ["a-1", "b-1", "b-1"])
        assert run.runtime.pods["a-1"].alive
        assert run.runtime.pods["b-1"].spec.command == ("other",)
        assert await run.launch.plan(order_for(plan)) == []


async def test_a_pod_that_is_removed_is_forgotten_by_the_node() -> None:
    async with launched(make_plan(planned_pod("a-1"), planned_pod("b-1"))) as run:
        await run.started()
        run.runtime.pods["b-1"].polite = False
        await run.launch.plan(order_for(make_plan(planned_pod("a-1"))))
        await run.screen.until(lambda: "b-1" in run.screen.dropped)
        await asyncio.wait_for(until_listed(run, ["a-1"]), 5)


async def until_listed(run: Launched, names: list[str]) -> None:
    while [pod.spec.name for pod in await run.served.client.list_pods()] != names:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)


async def test_a_network_changes_its_range_once_nobody_is_on_it() -> None:
    before = make_plan(planned_pod("a-1"))
    async with launched(before) as run:
        await run.started()
        run.runtime.pods["a-1"].polite = False
        network = replace(before.networks[0], subnet=IPv4Network("127.0.0.0/16"))
        await run.launch.plan(order_for(replace(before, networks=(network,))))
        await run.screen.until(lambda: run.runtime.boots == ["a-1", "a-1"])
        assert run.runtime.networks == {"front": network.subnet}


async def test_what_a_node_has_already_is_taken_over() -> None:
    plan = make_plan(planned_pod("a-1"))
    async with launched(plan) as first:
        await first.started()
        first.task.cancel()
        await asyncio.wait([first.task])
        screen = RecordingScreen()
        companion = RecordingCompanion(screen, runtime=first.runtime)
        launch = companion.launch = Launch(first.backend, screen, companion, time.time)
        await launch.plan(order_for(plan))
        task = asyncio.get_running_loop().create_task(launch.run())
        await screen.until(lambda: screen.started is not None)
        assert first.runtime.boots == ["a-1"]
        task.cancel()
        await asyncio.wait([task])
