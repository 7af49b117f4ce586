from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from pod_node import node as node_module
from pod_node.errors import (
    BootError,
    ImageNotPreparedError,
    NetworkConflictError,
    NetworkInUseError,
    NetworkNotAttachedError,
    PodExistsError,
    UnknownPodError,
)
from pod_node.files import Roots
from pod_node.health import Health
from pod_node.node import Node
from pod_node.spec import ExitKind, PodExit
from pod_node.status import (
    EventsLost,
    Happening,
    LogNotice,
    NodeEvent,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodState,
    PodStateChanged,
    PortalBackend,
    Synced,
)
from tests.support.pods import FRONT, LOOPBACK, FakeImages, FakeRuntime, make_spec, tcp_check
from vnet.egress import Decision, EgressAttempt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
async def node(runtime: FakeRuntime, tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(runtime, FakeImages(), tmp_path / "logs", Roots(tmp_path)) as node:
        node.networks.attach("front", FRONT)
        yield node


async def next_of(events: AsyncGenerator[NodeEvent, None], kind: type[Happening]) -> Happening:
    async for event in events:
        if isinstance(event.happening, kind):
            return event.happening
    raise AssertionError(f"the events ended without {kind.__name__}")


async def test_a_booted_pod_runs_under_its_name(node: Node, runtime: FakeRuntime) -> None:
    async with aclosing(node.watch()) as events:
        await next_of(events, Synced)
        status = node.boot(make_spec("web-1"))
        assert (status.state, status.generation, status.boot_s) == (PodState.BOOTING, 1, 0.0)
        assert node.statuses() == [status]
        changed = await next_of(events, PodStateChanged)
    (status,) = node.statuses()
    assert status.boot_s > 0
    assert changed == PodStateChanged(
        pod="web-1", generation=1, state=PodState.RUNNING, boot_s=status.boot_s
    )
    assert status.state is PodState.RUNNING
    assert runtime.boots == ["web-1"]


async def test_what_leaves_the_network_is_told(node: Node, runtime: FakeRuntime) -> None:
    attempt = EgressAttempt(
        number=1,
        pod="web-1",
        service="web",
        target="api.example.com",
        port=443,
        decision=Decision.DENIED,
    )
    async with aclosing(node.watch()) as events:
        await next_of(events, Synced)
        runtime.report(attempt)
        assert await next_of(events, EgressAttempt) == attempt


async def test_a_pod_that_is_stopped_while_it_boots_is_not_said_to_run(
    node: Node, runtime: FakeRuntime
) -> None:
    node.boot(make_spec("web-1"))
    pod = runtime.pods["web-1"]
    begin = pod.on_running
    pod.on_running = None
    assert begin is not None
    async with asyncio.TaskGroup() as group, aclosing(node.watch()) as events:
        await next_of(events, Synced)
        group.create_task(node.stop("web-1", 60.0))
        changed = await next_of(events, PodStateChanged)
        begin(asyncio.get_running_loop().time())
        assert node.statuses()[0].state is PodState.STOPPING
        pod.exit(0)
        assert (await anext(events)).happening != changed
    assert isinstance(changed, PodStateChanged)
    assert changed.state is PodState.STOPPING
    assert node.statuses()[0].boot_s > 0


async def test_a_name_can_be_booted_again_only_after_its_pod_ended(
    node: Node, runtime: FakeRuntime
) -> None:
    node.boot(make_spec("web-1"))
    with pytest.raises(PodExistsError, match="web-1 already exists and is booting"):
        node.boot(make_spec("web-1"))
    runtime.pods["web-1"].exit(1)
    assert node.boot(make_spec("web-1")).generation == 2


async def test_a_disk_that_is_full_is_told_and_kept_in_mind(
    node: Node, runtime: FakeRuntime
) -> None:
    node.boot(make_spec("web-1"))
    async with aclosing(node.watch()) as events:
        await next_of(events, Synced)
        runtime.report_full("web-1", "/")
        full = await next_of(events, PodDiskFull)
    assert full == PodDiskFull(pod="web-1", generation=1, target="/")
    assert node.statuses()[0].full_disk == "/"
    runtime.pods["web-1"].exit(1)
    assert node.boot(make_spec("web-1")).full_disk == ""


async def test_a_pod_needs_its_image_and_its_networks(node: Node) -> None:
    with pytest.raises(ImageNotPreparedError, match="prepare it first"):
        node.boot(make_spec(image="ruby"))
    with pytest.raises(NetworkNotAttachedError, match="back"):
        node.boot(make_spec(network="back"))


async def test_a_refused_boot_leaves_the_name_free(node: Node, runtime: FakeRuntime) -> None:
    runtime.refusals["web-1"] = "no room"
    with pytest.raises(BootError, match="no room"):
        node.boot(make_spec("web-1"))
    assert node.statuses() == []
    del runtime.refusals["web-1"]
    node.boot(make_spec("web-1"))


async def test_an_exit_is_told_with_the_guests_last_words(node: Node, runtime: FakeRuntime) -> None:
    async with aclosing(node.watch()) as events:
        await next_of(events, Synced)
        node.boot(make_spec("web-1"))
        runtime.pods["web-1"].write(2, b"python: can't open file 'x'\n")
        runtime.pods["web-1"].exit(2)
        exited = await next_of(events, PodExited)
    assert exited == PodExited(
        pod="web-1",
        generation=1,
        exit=PodExit(kind=ExitKind.EXITED, status=2),
        last_error_line="python: can't open file 'x'",
    )
    assert node.statuses()[0].state is PodState.EXITED


async def test_a_kill_returns_when_the_pod_has_ended(node: Node) -> None:
    node.boot(make_spec("web-1"))
    status = await node.kill("web-1")
    assert status.exit is not None
    assert status.exit.kind is ExitKind.KILLED
    assert await node.kill("web-1") == status, "killing the dead is no error"


async def test_a_stop_gives_a_pod_time_to_end_by_itself(node: Node, runtime: FakeRuntime) -> None:
    node.boot(make_spec("web-1"))
    runtime.pods["web-1"].polite = False
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(node.stop("web-1", 60.0))
        async with aclosing(node.watch()) as events:
            existing = await next_of(events, PodExisting)
            assert isinstance(existing, PodExisting)
            if existing.status.state is not PodState.STOPPING:
                await next_of(events, PodStateChanged)
        runtime.pods["web-1"].exit(0)
    assert (await stopping).exit == PodExit(kind=ExitKind.EXITED, status=0)
    assert runtime.pods["web-1"].killed == 0


async def test_a_stop_sends_the_pod_its_stop_signal(node: Node, runtime: FakeRuntime) -> None:
    node.boot(replace(make_spec("web-1"), stop_signal=signal.SIGINT))
    pod = runtime.pods["web-1"]
    status = await node.stop("web-1", 60.0)
    assert pod.signals == [signal.SIGINT]
    assert pod.killed == 0
    assert status.exit is not None
    assert status.exit.status == 130
    assert node.signal("web-1", signal.SIGTERM) == status, "the dead hear nothing"


async def test_a_signal_goes_to_a_pod_that_lives(node: Node, runtime: FakeRuntime) -> None:
    node.boot(make_spec("web-1"))
    runtime.pods["web-1"].polite = False
    node.signal("web-1", signal.SIGHUP)
    assert runtime.pods["web-1"].signals == [signal.SIGHUP]
    with pytest.raises(UnknownPodError):
        node.signal("web-9", signal.SIGHUP)


async def test_a_stop_asks_and_kills_after_the_grace_period(
    node: Node, runtime: FakeRuntime
) -> None:
    node.boot(make_spec("web-1"))
    runtime.pods["web-1"].polite = False
    status = await node.stop("web-1", 0.01)
    assert runtime.pods["web-1"].signals == [signal.SIGTERM]
    assert status.exit is not None
    assert status.exit.kind is ExitKind.KILLED


async def test_a_pod_that_has_ended_can_be_forgotten(node: Node) -> None:
    node.boot(make_spec("web-1"))
    with pytest.raises(PodExistsError):
        node.remove("web-1")
    await node.stop("web-1", 0.0)
    node.remove("web-1")
    assert node.statuses() == []
    with pytest.raises(UnknownPodError):
        node.remove("web-1")
    assert node.boot(make_spec("web-1")).generation == 1


async def test_a_network_goes_when_no_pod_is_on_it(node: Node, runtime: FakeRuntime) -> None:
    node.boot(make_spec("web-1"))
    with pytest.raises(NetworkInUseError, match="pod web-1 is on it"):
        node.networks.detach("front")
    await node.stop("web-1", 0.0)
    node.networks.detach("front")
    node.networks.detach("front")
    assert runtime.networks == {}


async def test_a_stopping_pod_gets_no_more_requests(node: Node) -> None:
    node.boot(make_spec("web-1"))
    backends = [PortalBackend("web-1", LOOPBACK), PortalBackend("web-2", LOOPBACK)]
    await node.portals.open("web", 8080, 0, backends)
    await node.stop("web-1", 0.0)
    assert [b.pod for b in node.portals.views()[0].backends] == ["web-2"]


async def test_an_unknown_name_is_an_error(node: Node) -> None:
    with pytest.raises(UnknownPodError, match="no pod named web-9"):
        await node.kill("web-9")


async def test_watching_begins_with_what_exists(node: Node) -> None:
    node.boot(make_spec("web-1"))
    node.boot(make_spec("web-2"))
    async with aclosing(node.watch()) as events:
        first = [(await anext(events)).happening for _ in range(3)]
    assert [type(happening) for happening in first] == [PodExisting, PodExisting, Synced]


async def test_a_watcher_that_is_too_slow_is_told_and_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "WATCHER_EVENTS", 16)
    runtime = FakeRuntime()
    async with Node(runtime, FakeImages(), tmp_path / "logs", Roots(tmp_path)) as node:
        node.networks.attach("front", FRONT)
        async with aclosing(node.watch()) as events:
            await next_of(events, Synced)
            for _ in range(16):
                node.boot(make_spec("web-1"))
                runtime.pods["web-1"].exit(0)
            happenings = [event.happening async for event in events]
    assert happenings == [EventsLost(16)]


async def test_sequence_numbers_have_no_gaps(node: Node, runtime: FakeRuntime) -> None:
    async with aclosing(node.watch()) as events:
        start = (await anext(events)).sequence
        for _ in range(5):
            node.boot(make_spec("web-1"))
            runtime.pods["web-1"].exit(0)
        numbers = [(await anext(events)).sequence for _ in range(10)]
    assert numbers == list(range(start + 1, start + 11))


async def test_health_checks_run_while_a_pod_does(node: Node, runtime: FakeRuntime) -> None:
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with aclosing(node.watch()) as events:
        status = node.boot(make_spec("web-1", check=tcp_check(port)))
        assert status.health is Health.STARTING
        healthy = await next_of(events, PodHealthChanged)
        assert isinstance(healthy, PodHealthChanged)
        assert healthy.health is Health.HEALTHY
        listener.close()
        await listener.wait_closed()
        unhealthy = await next_of(events, PodHealthChanged)
        assert isinstance(unhealthy, PodHealthChanged)
        assert unhealthy.health is Health.UNHEALTHY
        assert node.statuses()[0].health_reason == unhealthy.reason
    runtime.pods["web-1"].exit(0)


async def test_a_network_can_be_attached_twice_but_not_changed(
    node: Node, runtime: FakeRuntime
) -> None:
    node.networks.attach("front", FRONT)
    with pytest.raises(NetworkConflictError, match=r"10\.0\.0\.0/8.*127\.0\.0\.0/24"):
        node.networks.attach("front", IPv4Network("10.0.0.0/8"))
    assert runtime.networks == {"front": FRONT}


async def test_names_reach_the_runtime(node: Node, runtime: FakeRuntime) -> None:
    node.networks.publish("front", {"api": [LOOPBACK], "gone": []})
    assert runtime.names == {"front": {"api": ["127.0.0.1"], "gone": []}}
    with pytest.raises(NetworkNotAttachedError):
        node.networks.publish("back", {})


async def test_closing_kills_everything_and_keeps_the_last_output(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    async with Node(runtime, FakeImages(), tmp_path / "logs", Roots(tmp_path)) as node:
        node.networks.attach("front", FRONT)
        node.boot(make_spec("web-1"))
        node.boot(make_spec("web-2", check=tcp_check(1)))
        runtime.pods["web-1"].write(1, b"last words\n")
    assert [pod.alive for pod in runtime.pods.values()] == [False, False]
    assert runtime.closed
    assert (tmp_path / "logs" / "web-1.log").read_text().endswith(" stdout F last words\n")


async def test_a_full_log_disk_is_told_and_the_pod_goes_on(
    node: Node, runtime: FakeRuntime, tmp_path: Path
) -> None:
    (tmp_path / "logs" / "web-1.log").symlink_to(tmp_path)
    async with aclosing(node.watch()) as events:
        node.boot(make_spec("web-1"))
        runtime.pods["web-1"].write(1, b"x\n")
        notice = await next_of(events, LogNotice)
    assert str(tmp_path / "logs" / "web-1.log") in str(notice)
    assert node.statuses()[0].state is not PodState.EXITED
