"""Several real node processes behind the calls of one, joined by real trunks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.backend import UnknownNodeError
from orchestrator.backends.nodes import PodsDisplaced
from orchestrator.cluster.fleet import NoNodeError
from orchestrator.cluster.views import NodeState
from orchestrator.codec import securing
from pod_node.attaching import Attached, AttachStep
from pod_node.executing import Input
from pod_node.status import PodExisting, PodExited, PodState, PodStateChanged, Synced
from tests.support.configurations import linked
from tests.support.fleets import (
    FleetRig,
    address_of,
    boot,
    fleet_rig,
    plan_of,
    sleeper,
)
from tests.support.serving import short_folder
from vnet.capture import CapturedPacket, CaptureWish, LinkPlace
from vnet.capture.packet import read_headers
from vnet.configuration import LinkParameters
from vnet.ping import EchoOutcome, PingPlan

if TYPE_CHECKING:
    from orchestrator.desired.plan import Plan

QUIET_S = 4.0
"""Longer than gRPC's own patience with whoever asks so often."""
ONCE = PingPlan(count=1, interval_s=0.1, payload_bytes=8, timeout_s=10.0)


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FleetRig]:
    with short_folder() as folder:
        monkeypatch.setenv("PODNET_STATE", str(folder))
        async with fleet_rig(folder) as rig:
            yield rig


@pytest.fixture
def image(tmp_path: Path) -> str:
    return sleeper(tmp_path)


def where(rig: FleetRig) -> Counter[str]:
    return Counter(rig.fleet.assignments.owners.values())


async def asks(rig: FleetRig, plan: Plan, source: str, target: str) -> EchoOutcome:
    echoes = rig.fleet.ping(address_of(plan, source), address_of(plan, target), ONCE)
    async with aclosing(echoes):
        echo = await anext(echoes)
        return echo.result.outcome


async def test_pods_on_two_nodes_are_one_deployment(rig: FleetRig, image: str) -> None:
    plan = plan_of(image, web=4)
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan)
    assert where(rig) == {"a": 2, "b": 2}
    assert len(await rig.fleet.list_pods()) == 4
    owners = rig.fleet.assignments.owners
    one = next(pod for pod in owners if owners[pod] == "a")
    other = next(pod for pod in owners if owners[pod] == "b")
    assert await asks(rig, plan, one, other) is EchoOutcome.REPLY
    assert await asks(rig, plan, other, one) is EchoOutcome.REPLY
    assert (await rig.fleet.statistics()).running_pods == 4
    assert [(node.name, node.pods) for node in rig.fleet.nodes()] == [("a", 2), ("b", 2)]


async def test_a_link_between_two_nodes_is_seen_on_both_in_the_order_of_time(
    rig: FleetRig, image: str
) -> None:
    """Each node simulates what its pods send, so each sees one direction."""
    plan = plan_of(image, web=2)
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan)
    assert where(rig) == {"a": 1, "b": 1}
    ends = address_of(plan, "web-1"), address_of(plan, "web-2")
    slow = LinkParameters(delay_ns=1_000_000)
    await rig.fleet.configure_network(linked(str(ends[0]), str(ends[1]), slow))
    wish = CaptureWish(place=LinkPlace(link="left--right"), count=20)
    seen: list[CapturedPacket] = []

    async def collect() -> None:
        async with aclosing(rig.fleet.capture(wish)) as batches:
            async for batch in batches:
                seen.extend(batch.packets)

    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(collect())
        while not collecting.done():
            assert await asks(rig, plan, "web-1", "web-2") is EchoOutcome.REPLY
    assert len(seen) == 20
    assert seen == sorted(seen, key=lambda packet: packet.time_ns)
    sources = [headers.source for packet in seen if (headers := read_headers(packet))]
    assert sources == [*ends] * 10 or sources == [*reversed(ends)] * 10


async def test_whoever_attaches_to_a_pod_is_led_to_its_node(rig: FleetRig, image: str) -> None:
    async def says_nothing() -> AsyncGenerator[AttachStep, None]:
        await asyncio.Event().wait()
        yield Input(b"")

    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan_of(image, web=2))
    assert where(rig) == {"a": 1, "b": 1}
    for pod in ("web-1", "web-2"):
        async with aclosing(rig.fleet.attach(pod, says_nothing())) as events:
            assert await anext(events) == Attached(reads_input=False, terminal=False)
    with pytest.raises(NoNodeError, match="web-9"):
        rig.fleet.attach("web-9", says_nothing())


async def test_pods_of_a_lost_node_belong_elsewhere_with_the_same_addresses(
    rig: FleetRig, image: str
) -> None:
    plan = plan_of(image, web=4)
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan)
    lost = rig.fleet.assignments.pods_of("a")
    async with aclosing(rig.fleet.watch()) as events:
        async for event in events:
            if not isinstance(event, PodsDisplaced) and isinstance(event.happening, Synced):
                break
        await rig.lose("a")
        async for event in events:
            if isinstance(event, PodsDisplaced):
                break
    assert isinstance(event, PodsDisplaced)
    assert sorted(event.pods) == sorted(lost)
    assert event.reason.startswith("node a lost: signal SIGKILL")
    for pod in plan.pods:
        if pod.spec.name in lost:
            await rig.fleet.boot_pod(pod.spec)
    assert where(rig) == {"b": 4}
    assert await asks(rig, plan, "web-1", "web-4") is EchoOutcome.REPLY


async def test_a_boot_under_way_on_a_node_that_is_lost_does_not_fail(
    rig: FleetRig, image: str
) -> None:
    plan = plan_of(image, web=1)
    await rig.add("a")
    await boot(rig.fleet, plan)
    rig.supervisors["a"].kill()
    stopping = rig.fleet.stop_pod("web-1", 1.0)
    await rig.lose("a")
    with pytest.raises(NoNodeError, match="no node has pod web-1"):
        await stopping


async def test_a_node_that_joins_gets_what_the_others_have_and_the_pods_that_had_no_room(
    rig: FleetRig, image: str
) -> None:
    plan = plan_of(image, web=3)
    await rig.add("a", memory_bytes=2 << 20)
    await rig.fleet.arrange(plan)
    await rig.fleet.attach_networks([("front", plan.networks[0].subnet)])
    await rig.fleet.publish_names("front", {"web": [address_of(plan, "web-1")]})
    for pod in plan.pods[:2]:
        await rig.fleet.boot_pod(pod.spec)
    with pytest.raises(NoNodeError, match="web-3, each asks for 1M of memory"):
        await rig.fleet.boot_pod(plan.pods[2].spec)
    async with aclosing(rig.fleet.watch()) as events:
        first = await anext(events)
        assert not isinstance(first, PodsDisplaced)
        assert isinstance(first.happening, PodExisting)
        await rig.add("b")
        async for event in events:
            if isinstance(event, PodsDisplaced):
                break
    assert event == PodsDisplaced(("web-3",), "node b has joined")
    await rig.fleet.boot_pod(plan.pods[2].spec)
    assert where(rig) == {"a": 2, "b": 1}
    assert await rig.members["b"].client.list_networks() == {"front": plan.networks[0].subnet}
    assert await asks(rig, plan, "web-3", "web-1") is EchoOutcome.REPLY


async def test_a_drained_node_has_no_pods_and_gets_none(rig: FleetRig, image: str) -> None:
    plan = plan_of(image, web=2, api=2)
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan)
    specs = {pod.spec.name: pod.spec for pod in plan.pods}
    moved: list[str] = []
    ends: list[str] = []
    async with aclosing(rig.fleet.watch()) as events, aclosing(rig.fleet.drain("a")) as drained:

        async def boot_displaced() -> None:
            """What the orchestrator does."""
            async for event in events:
                if isinstance(event, PodsDisplaced):
                    for pod in event.pods:
                        await rig.fleet.boot_pod(specs[pod])
                elif isinstance(event.happening, PodExited):
                    ends.append(event.happening.pod)

        from vnet.tasks import TaskOwner

        tasks = TaskOwner()
        tasks.spawn(boot_displaced(), "orchestrator")
        async for pod, node in drained:
            assert node == "b"
            moved.append(pod)
        await tasks.cancel_all()
    assert len(moved) == 2
    assert ends == []  # a move is no end that a restart policy is about
    assert where(rig) == {"b": 4}
    assert await rig.members["a"].client.list_pods() == []
    assert [node.state for node in rig.fleet.nodes()] == [NodeState.DRAINED, NodeState.READY]
    rig.fleet.cordon("a", cordoned=False)
    assert rig.fleet.nodes()[0].state is NodeState.READY


async def test_a_node_that_comes_back_is_what_somebody_said_of_it(
    rig: FleetRig, image: str
) -> None:
    rig.fleet.mark({"b": NodeState.CORDONED, "c": NodeState.DRAINED})
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan_of(image, web=4))
    assert where(rig) == {"a": 4}
    await rig.lose("b")
    await rig.add("b")
    states = {node.name: node.state for node in rig.fleet.nodes()}
    assert states == {"a": NodeState.READY, "b": NodeState.CORDONED}
    rig.fleet.cordon("c", cordoned=False)  # it is not there yet
    await rig.add("c")
    assert rig.fleet.nodes()[-1].state is NodeState.READY


async def test_what_cannot_be_elsewhere_stays_when_a_node_is_drained(
    rig: FleetRig, image: str
) -> None:
    plan = plan_of(image, web=1)
    await rig.add("a")
    await boot(rig.fleet, plan)
    with pytest.raises(NoNodeError, match="web-1 stays on a"):
        async for _ in rig.fleet.drain("a"):
            pass
    (status,) = await rig.fleet.list_pods()
    assert status.state is not PodState.EXITED
    with pytest.raises(UnknownNodeError, match='no node "z"; nodes: a'):
        rig.fleet.cordon("z", cordoned=True)


async def test_a_node_says_nothing_of_a_pod_that_belongs_to_another(
    rig: FleetRig, image: str
) -> None:
    plan = plan_of(image, web=2)
    await rig.add("a")
    await rig.add("b")
    await boot(rig.fleet, plan)
    pod = rig.fleet.assignments.pods_of("a")[0]
    rig.fleet.cordon("a", cordoned=True)
    assert rig.fleet.assignments.move(pod) == "b"
    async with aclosing(rig.fleet.watch()) as events:
        async for event in events:
            assert not isinstance(event, PodsDisplaced)
            match event.happening:
                case PodExisting(status=status):
                    assert status.spec.name != pod
                case PodStateChanged(pod=name):
                    assert name != pod
                case Synced():
                    break


@pytest.mark.slow
async def test_a_node_on_which_nothing_happens_is_heard_all_the_same(
    rig: FleetRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again and again whether it is there, and has nothing to say."""
    monkeypatch.setattr(securing, "KEEPALIVE_MS", 1000)
    member = await rig.add("a")
    async with aclosing(member.client.watch()) as events:
        assert isinstance((await anext(events)).happening, Synced)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                await anext(events)
