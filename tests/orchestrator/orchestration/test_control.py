from __future__ import annotations

import asyncio
import stat
from contextlib import aclosing
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from orchestrator.codec import (
    DeploymentClient,
    DeploymentLostError,
    DeploymentRefusedError,
    NodeClient,
)
from orchestrator.network.changes import Mend, Part, PodVerb, ResetLink, ResetLinks, SetLink
from orchestrator.topology.link_change import LinkChange
from orchestrator.topology.values import LinkDirection
from orchestrator.views.deployment import (
    CaptureOrder,
    FaultBegun,
    FaultEnded,
    LinkAim,
    LinkShown,
    PingEnds,
    PodAim,
    PodShown,
)
from orchestrator.views.phases import Phase
from tests.support.deployments import TOPOLOGY, RunningDeployment, running_deployment
from tests.support.lab import eventually
from tests.support.pods import FakeRuntime
from tests.support.serving import short_folder
from vnet.capture import CaptureBatch, CapturedPacket, InterfacePlace, LinkPlace
from vnet.configuration import FaultKind, NetworkConfiguration
from vnet.ping import EchoOutcome, NumberedEcho, PingPlan
from vnet.statistics import InterfaceStatistics, LinkStatistics, NetworkStatistics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from orchestrator.views.deployment import DeploymentEvent

CUT = Part(kind=FaultKind.CUT, groups=(("web",), ("gw", "api")))


@pytest.fixture
def folder() -> object:
    with short_folder() as folder:
        yield folder


@pytest.fixture
async def deployment(folder: Path) -> AsyncIterator[RunningDeployment]:
    async with running_deployment(folder) as deployment:
        yield deployment


def applied(deployment: RunningDeployment) -> NetworkConfiguration:
    return deployment.runtime.configurations[-1]


async def until(
    deployment: RunningDeployment, found: Callable[[DeploymentEvent], bool]
) -> DeploymentEvent:
    async with aclosing(deployment.client.events()) as events:
        async for event in events:
            if found(event):
                return event
    raise AssertionError("the events ended")


async def test_the_node_has_the_network_before_the_first_pod(deployment: RunningDeployment) -> None:
    first = deployment.runtime.configurations[0]
    assert {group.name for group in first.groups} == {
        "web@front",
        "gw@front",
        "gw@back",
        "api@back",
    }
    assert [link.name for link in first.links] == ["web--gw@front"]
    assert [policy.direction.value for policy in first.policies] == ["ingress"]


async def test_packets_are_forwarded_once_the_router_runs(deployment: RunningDeployment) -> None:
    def ways(configuration: NetworkConfiguration) -> set[tuple[str, str]]:
        return {(route.source, route.target) for route in configuration.routes}

    assert ("web@front", "api@back") not in ways(deployment.runtime.configurations[0])
    await eventually(lambda: ("web@front", "api@back") in ways(applied(deployment)))
    await deployment.client.act_on_pods(PodVerb.PAUSE, ["gw"])
    await eventually(lambda: ("web@front", "api@back") not in ways(applied(deployment)))


async def test_only_the_owner_can_open_the_control_socket(
    deployment: RunningDeployment, folder: Path
) -> None:
    socket = folder / "test" / "control.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600


async def test_the_control_socket_goes_with_the_deployment(folder: Path) -> None:
    socket = folder / "test" / "control.sock"
    async with running_deployment(folder):
        assert socket.exists()
    assert not socket.exists()
    async with DeploymentClient(socket) as client:
        with pytest.raises(DeploymentLostError, match="may have ended"):
            await client.describe()


async def test_a_deployment_says_what_runs(deployment: RunningDeployment) -> None:
    view = await deployment.client.describe()
    assert (view.name, view.topology_path, view.topology_text) == ("test", "/test.yaml", TOPOLOGY)
    assert [(pod.spec.name, pod.phase) for pod in view.pods] == [
        (name, Phase.RUNNING) for name in ("web-1", "web-2", "gw-1", "api-1")
    ]
    assert view.configuration == deployment.control.shaping.configuration
    assert view.faults == ()


async def test_a_link_is_changed_shown_and_reset(deployment: RunningDeployment) -> None:
    client = deployment.client
    change = SetLink(
        first="gw",
        second="web",
        change=LinkChange(delay_ns=5_000_000),
        direction=LinkDirection.FORWARD,
    )
    link = await client.set_link(change)
    assert (link.first, link.second, link.changed) == ("gw", "web", True)
    assert (link.forward.delay_ns, link.backward.delay_ns) == (5_000_000, 20_000_000)
    (sent,) = applied(deployment).links
    assert (sent.forward.delay_ns, sent.backward.delay_ns) == (20_000_000, 5_000_000)
    assert sent.backward.loss == 0.01, "what was not given stays"
    (shown,) = await client.links()
    assert (shown.first, shown.changed) == ("web", True)
    assert await client.reset_links(ResetLink(first="web", second="gw")) == ["web--gw@front"]
    assert await client.reset_links(ResetLinks()) == []
    (link,) = await client.link("web", "gw", None)
    assert not link.changed
    assert applied(deployment).links[0].backward.delay_ns == 20_000_000


async def test_a_link_that_nobody_declared_is_made(deployment: RunningDeployment) -> None:
    wanted = SetLink(first="web-1", second="web-2", change=LinkChange(loss=0.5))
    link = await deployment.client.set_link(wanted)
    assert not link.declared
    assert {link.name for link in applied(deployment).links} == {
        "web--gw@front",
        "web-1--web-2@front",
    }


async def test_a_temporary_change_ends_by_itself(deployment: RunningDeployment) -> None:
    wanted = SetLink(first="web", second="gw", change=LinkChange(delay_ns=10**9), duration_s=0.05)
    ended = asyncio.get_running_loop().create_task(
        until(
            deployment,
            lambda event: (
                isinstance(event.happening, LinkShown) and not event.happening.view.changed
            ),
        )
    )
    link = await deployment.client.set_link(wanted)
    assert link.remaining_s is not None
    await ended
    assert applied(deployment).links[0].forward.delay_ns == 20_000_000


async def test_a_partition_is_made_told_and_healed(deployment: RunningDeployment) -> None:
    client = deployment.client
    begun = asyncio.get_running_loop().create_task(
        until(deployment, lambda event: isinstance(event.happening, FaultBegun))
    )
    fault = await client.part(CUT)
    assert fault.name == "partition-1"
    assert fault.sides == (("web",), ("gw", "api"))
    assert {fault.kind for fault in applied(deployment).faults} == {FaultKind.CUT}
    event = await begun
    assert event.text == "partition-1: traffic between web | gw, api is lost"
    assert (await client.describe()).faults == (fault,)
    assert await client.mend(Mend(kind=FaultKind.HOLD)) == []
    assert await client.mend(Mend(kind=FaultKind.CUT)) == ["partition-1"]
    assert applied(deployment).faults == ()
    assert "partition-1: healed" in deployment.screen.notices


async def test_a_hold_ends_by_itself(deployment: RunningDeployment) -> None:
    ended = asyncio.get_running_loop().create_task(
        until(deployment, lambda event: isinstance(event.happening, FaultEnded))
    )
    held = Part(kind=FaultKind.HOLD, groups=(("web",), ("gw",)), oneway=True, duration_s=0.05)
    fault = await deployment.client.part(held)
    assert fault.oneway
    assert (await ended).text == "hold-1: released"
    assert applied(deployment).faults == ()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (SetLink(first="web", second="ap", change=LinkChange(loss=0.1)), 'did you mean "api"'),
        (SetLink(first="web", second="api", change=LinkChange(loss=0.1)), "share no network"),
        (SetLink(first="web", second="gw", change=LinkChange(jitter_ns=10**9)), "jitter: 1s"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(
    deployment: RunningDeployment, wanted: SetLink, message: str
) -> None:
    before = len(deployment.runtime.configurations)
    with pytest.raises(DeploymentRefusedError, match=message):
        await deployment.client.set_link(wanted)
    assert len(deployment.runtime.configurations) == before


async def test_a_change_that_the_node_refuses_is_not_kept(deployment: RunningDeployment) -> None:
    deployment.runtime.fault_refusal = "no room for faults"
    with pytest.raises(DeploymentRefusedError, match="no room for faults"):
        await deployment.client.part(CUT)
    deployment.runtime.fault_refusal = None
    assert (await deployment.client.describe()).faults == ()
    assert (await deployment.client.part(CUT)).name == "partition-1"


async def test_pods_are_paused_and_go_on_by_themselves(deployment: RunningDeployment) -> None:
    def resumed(event: DeploymentEvent) -> bool:
        return event.text == "resumed: web-2"

    going_on = asyncio.get_running_loop().create_task(until(deployment, resumed))
    client = deployment.client
    assert await client.act_on_pods(PodVerb.PAUSE, ["web"]) == ["web-1", "web-2"]
    assert all(deployment.runtime.pods[name].paused for name in ("web-1", "web-2"))
    assert await client.act_on_pods(PodVerb.RESUME, ["web-1"]) == ["web-1"]
    assert not deployment.runtime.pods["web-1"].paused
    assert await client.act_on_pods(PodVerb.PAUSE, ["web-2"], 0.05) == ["web-2"]
    await going_on
    assert not deployment.runtime.pods["web-2"].paused


async def test_a_view_of_a_pod_says_that_it_is_paused(deployment: RunningDeployment) -> None:
    shown = asyncio.get_running_loop().create_task(
        until(
            deployment,
            lambda event: isinstance(event.happening, PodShown) and event.happening.view.paused,
        )
    )
    await deployment.client.act_on_pods(PodVerb.PAUSE, ["api"])
    assert (await shown).text == "api-1: running, paused"
    states = {pod.spec.name: pod.state for pod in (await deployment.client.describe()).pods}
    assert states["api-1"] == "running, paused"


async def test_a_killed_pod_is_gone_and_cannot_be_killed_again(
    deployment: RunningDeployment,
) -> None:
    client = deployment.client
    gone = asyncio.get_running_loop().create_task(
        until(deployment, lambda event: event.text == "api-1: killed (137)")
    )
    assert await client.act_on_pods(PodVerb.KILL, ["api"]) == ["api-1"]
    await gone
    with pytest.raises(DeploymentRefusedError, match='"api-1" does not run, it is killed'):
        await client.act_on_pods(PodVerb.PAUSE, ["api-1"])
    with pytest.raises(DeploymentRefusedError, match="does not run"):
        await client.act_on_pods(PodVerb.KILL, ["api"])


async def test_a_ping_goes_between_the_interfaces_that_the_source_would_use(
    deployment: RunningDeployment,
) -> None:
    steps = [
        step
        async for step in deployment.client.ping("web", "api", PingPlan(count=2, interval_s=0.001))
    ]
    web, api = (deployment.runtime.pods[name].spec for name in ("web-1", "api-1"))
    assert steps[0] == PingEnds(
        source="web-1",
        source_address=web.interfaces[0].address,
        target="api-1",
        target_address=api.interfaces[0].address,
    )
    echoes = [step for step in steps[1:] if isinstance(step, NumberedEcho)]
    assert [(echo.sequence, echo.result.rtt_ns) for echo in echoes] == [
        (1, 1_000_000),
        (2, 2_000_000),
    ]


async def test_a_ping_meets_partitions(deployment: RunningDeployment) -> None:
    await deployment.client.part(CUT)
    async with aclosing(deployment.client.ping("web-2", "gw", PingPlan(count=1))) as steps:
        echoes = [step async for step in steps if isinstance(step, NumberedEcho)]
    assert [echo.result.outcome for echo in echoes] == [EchoOutcome.TIMEOUT]


async def test_an_address_can_be_pinged(deployment: RunningDeployment) -> None:
    async with aclosing(deployment.client.ping("gw", "10.20.0.200", PingPlan(count=1))) as steps:
        ends = await anext(steps)
    assert isinstance(ends, PingEnds)
    assert (ends.target, ends.target_address) == ("", IPv4Address("10.20.0.200"))


async def test_packets_at_a_pod_and_on_a_link_are_reported(deployment: RunningDeployment) -> None:
    packet = CapturedPacket(time_ns=1, size_bytes=60, data=bytes(60))
    address = deployment.runtime.pods["gw-1"].spec.interfaces[1].address
    link = LinkPlace(link="web--gw@front", forward=False, backward=True)
    for place in (InterfacePlace(address), link):
        deployment.runtime.seen[place] = [CaptureBatch(packets=(packet,), lost=3)]
    orders = (
        CaptureOrder(aim=PodAim(pod="gw-1", network="back"), count=1),
        CaptureOrder(
            aim=LinkAim(first="gw", second="web", direction=LinkDirection.FORWARD), count=1
        ),
    )
    for order in orders:
        batches = [batch async for batch in deployment.client.capture(order)]
        assert batches == [CaptureBatch(packets=(packet,), lost=3)]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (CaptureOrder(aim=PodAim(pod="web")), "name one of its pods: web-1, web-2"),
        (CaptureOrder(aim=PodAim(pod="api-1", network="front")), 'not on network "front"'),
        (CaptureOrder(aim=LinkAim(first="web-1", second="web-2")), "does anything now"),
        (CaptureOrder(aim=PodAim(pod="web-1"), filter="tcp port"), "filter"),
    ],
)
async def test_a_place_that_cannot_be_looked_at_is_refused(
    deployment: RunningDeployment, order: CaptureOrder, message: str
) -> None:
    with pytest.raises(DeploymentRefusedError, match=message):
        await anext(deployment.client.capture(order))


async def test_counters_come_from_the_node(deployment: RunningDeployment) -> None:
    counted = NetworkStatistics(
        time_s=5.0,
        links=(LinkStatistics(link="web--gw@front", packets=7),),
        interfaces=(InterfaceStatistics(address=IPv4Address("10.10.0.2"), network="front"),),
    )
    deployment.runtime.statistics = counted
    assert await deployment.client.network_statistics(flows=True) == counted
    usage = await deployment.client.statistics()
    assert usage.running_pods == 4
    assert {pod.pod for pod in usage.pods} == {"web-1", "web-2", "gw-1", "api-1"}


SCHEDULED = (
    TOPOLOGY
    + """
schedule:
  - {at: 10ms, partition: [[web], [api]], duration: 30ms, name: first}
  - {at: 20ms, link: [web, gw], set: {delay: 1s}}
  - {at: 30ms, pause: web-1, duration: 20ms}
  - {at: 70ms, kill: api-1}
"""
)


async def test_a_schedule_is_kept(folder: Path) -> None:
    async with running_deployment(folder, SCHEDULED) as deployment:
        notices = deployment.screen.notices
        last = {"first: healed", "resumed: web-1", "killed: api-1"}
        await eventually(lambda: last <= set(notices))
    assert [notice for notice in notices if notice.startswith("first")] == [
        "first: traffic between web | api is lost, for 30ms",
        "first: healed",
    ]
    pods = [notice for notice in notices if notice.split(":")[0] in ("paused", "resumed", "killed")]
    assert "link web--gw@front: 1s, loss 1%" in notices
    # A loop that comes late kills before it resumes: the pause lasts as long as it was to.
    assert pods.index("paused: web-1, for 20ms") < pods.index("resumed: web-1")
    assert sorted(pods) == ["killed: api-1", "paused: web-1, for 20ms", "resumed: web-1"]


async def test_what_a_schedule_cannot_do_is_told_and_the_rest_goes_on(folder: Path) -> None:
    runtime = FakeRuntime(fault_refusal="no room for faults")
    async with running_deployment(folder, SCHEDULED, runtime=runtime) as deployment:
        notices = deployment.screen.notices
        await eventually(lambda: "killed: api-1" in notices)
    assert notices[0] == "could not be done: no room for faults"
    assert "paused: web-1, for 20ms" in notices


async def test_a_name_that_is_no_pods_is_found_near(deployment: RunningDeployment) -> None:
    with pytest.raises(DeploymentRefusedError, match='unknown service or pod "wep"; did you mean'):
        await deployment.client.act_on_pods(PodVerb.KILL, ["wep"])


@pytest.mark.parametrize("replicas", [1, 40])
async def test_a_node_gets_its_network_once_however_many_pods_come_up(
    tmp_path: Path, replicas: int
) -> None:
    text = f"""
name: test
services:
  web: {{image: python, command: [python], deploy: {{replicas: {replicas}}}}}
"""
    async with running_deployment(tmp_path, text) as deployment:
        assert len(deployment.runtime.boots) == replicas
        assert len(deployment.runtime.configurations) == 1


async def test_whoever_has_lost_the_node_waits_for_another(deployment: RunningDeployment) -> None:
    control, first = deployment.control, deployment.control.client
    assert await control.wait_for_node() is first
    async with (
        NodeClient(deployment.node.socket) as second,
        asyncio.TaskGroup() as group,
    ):
        waiting = group.create_task(control.wait_for_node(lost=first))
        for node in (None, first, second):
            await asyncio.sleep(0)
            assert not waiting.done()
            control.connect(node)
        assert await waiting is second
        control.connect(first)
