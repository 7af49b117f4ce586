"""What is declared of a deployment by hand while it runs: kept, and made real without gaps."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.backend import UnknownNodeError
from orchestrator.cluster.views import NodeState
from orchestrator.codec.errors import DeploymentRefusedError
from orchestrator.codec.nodes import NodesClient
from orchestrator.desired.declaration import Scale
from orchestrator.network.changes import Part, SetLink
from orchestrator.store.state import DeploymentFolder
from orchestrator.store.store import Store, StoreError
from orchestrator.topology.link_change import LinkChange
from orchestrator.topology.loader import read_topology_bytes
from orchestrator.views.deployment import ApplyOrder, EventOrder, PortalOrigin
from pod_node.logs import LogTrouble
from tests.support.deployments import TOPOLOGY, running_deployment
from tests.support.lab import eventually
from tests.support.pods import FakeRuntime
from tests.support.serving import ServedBackend, short_folder
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping
    from pathlib import Path

    from orchestrator.desired.declaration import Declaration
    from orchestrator.views.progress import Progress
    from tests.support.deployments import RunningDeployment

CUT = Part(kind=FaultKind.CUT, groups=(("web",), ("gw",)), name="cut")


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def kept(folder: Path) -> Declaration:
    with Store.open(DeploymentFolder(folder, "test").database) as store:
        return store.load()


async def apply(deployment: RunningDeployment, text: str) -> None:
    reading = read_topology_bytes(text.encode(), "test.yaml", deployment_folder(deployment), {})
    assert reading.source is not None, reading.problems
    await through(deployment.client.apply(reading.source))


def deployment_folder(deployment: RunningDeployment) -> Path:
    return deployment.node.socket.parent


async def test_of_two_changes_at_once_neither_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    save = Store.save

    def slow_save(store: Store, declaration: Declaration) -> None:
        begun.set()
        may_end.wait(20)
        save(store, declaration)

    async with running_deployment(folder) as deployment, asyncio.TaskGroup() as group:
        await eventually(lambda: kept(folder).network.schedule_began_s is not None)
        monkeypatch.setattr(Store, "save", slow_save)
        group.create_task(deployment.client.part(CUT))
        await asyncio.to_thread(begun.wait, 20)
        opening = group.create_task(deployment.client.open_portal("web", 8000))
        deciding = deployment.orchestrator._declared.deciding
        await eventually(deciding.locked)
        may_end.set()
        await opening
        both = kept(folder)
        assert len(both.network.changes) == 1
        assert dict(both.portals.opened) == {("web", 8000): 0}


def refuse_to_save(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(store: Store, declaration: Declaration) -> None:
        raise StoreError(str(store.path), "the disk is full", "make room")

    monkeypatch.setattr(Store, "save", save)


async def test_a_change_that_cannot_be_kept_is_taken_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_deployment(folder) as deployment:
        await eventually(lambda: kept(folder).network.schedule_began_s is not None)
        client, applied = deployment.client, deployment.runtime.configurations
        refuse_to_save(monkeypatch)
        with pytest.raises(DeploymentRefusedError, match="the disk is full"):
            await client.part(CUT)
        assert (applied[-2].faults != (), applied[-1].faults) == (True, ())
        delay = LinkChange(delay_ns=5_000_000)
        with pytest.raises(DeploymentRefusedError, match="the disk is full"):
            await client.set_link(SetLink(first="web", second="gw", change=delay))
        assert applied[-1].links[0].forward.delay_ns == 20_000_000
        assert (await client.describe()).faults == ()


async def test_a_schedule_goes_on_where_it_cannot_be_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TOPOLOGY + "schedule:\n  - {at: 1s, partition: [[web], [api]], name: first}\n"
    async with running_deployment(folder, text) as deployment:
        await eventually(lambda: kept(folder).network.schedule_began_s is not None)
        refuse_to_save(monkeypatch)
        await eventually(lambda: bool(deployment.runtime.configurations[-1].faults))
        told = deployment.screen.notices
        await eventually(lambda: any("could not be done: state database" in text for text in told))
        assert [fault.name for fault in (await deployment.client.describe()).faults] == ["first"]


async def test_a_range_that_changes_leaves_other_networks_as_they_are(folder: Path) -> None:
    async with running_deployment(folder) as deployment:
        before = deployment.runtime.configurations[-1]
        first = len(deployment.runtime.configurations)
        await deployment.client.part(CUT)
        await apply(deployment, TOPOLOGY.replace("10.20.0.0", "10.30.0.0"))
        seen = deployment.runtime.configurations[first:]
        assert [link.name for one in seen for link in one.links] == ["web--gw@front"] * len(seen)
        assert all(one.faults for one in seen)
        groups = [{group.network for group in one.groups} for one in seen]
        assert {"front"} in groups, "while nobody is on the other network"
        assert groups[-1] == {"front", "back"}
        assert seen[-1].policies == before.policies
        assert seen[groups.index({"front"})].policies == (), "nobody is there to protect"


async def test_where_portals_come_from_is_told(folder: Path) -> None:
    text = TOPOLOGY.replace("networks: [back]}", "networks: [back], ports: [80]}")
    async with running_deployment(folder, text) as deployment:
        client = deployment.client
        await client.open_portal("web", 8000)

        async def listed() -> Mapping[tuple[str, int], PortalOrigin]:
            portals = await client.portals()
            return {(one.portal.service, one.portal.port): one.origin for one in portals}

        declared, opened = PortalOrigin.TOPOLOGY, PortalOrigin.OPENED
        assert await listed() == {("api", 80): declared, ("web", 8000): opened}
        await client.close_portals("web")
        assert await listed() == {("api", 80): declared}
        assert dict(kept(folder).portals.opened) == {}


async def test_a_log_that_cannot_be_written_is_among_the_events(folder: Path) -> None:
    async with running_deployment(folder) as deployment:
        trouble = LogTrouble(pod="web-1", path=folder / "web-1.log", reason="No space left")
        deployment.node.node._on_log_trouble(trouble)
        order = EventOrder(since_s=0.0, types=frozenset({"deployment"}))
        async with asyncio.timeout(20), aclosing(deployment.client.events(order)) as events:
            async for event in events:
                if "No space left" in event.text:
                    break
        assert event.facts.action == "failure"
        assert event.text.startswith(f"web-1: {folder}/web-1.log")


class MarkedBackend(ServedBackend):
    """Has a node that can be cordoned; its pods go nowhere."""

    def __init__(self) -> None:
        super().__init__(FakeRuntime())
        self.marks: dict[str, NodeState] = {}

    def cordon(self, name: str, *, cordoned: bool) -> None:
        if name != "blue":
            raise UnknownNodeError(name, "blue")

    def mark(self, marks: Mapping[str, NodeState]) -> None:
        self.marks |= marks

    async def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        yield "web-1", "red"


async def test_what_is_said_of_nodes_is_kept_until_it_is_taken_back(folder: Path) -> None:
    backend = MarkedBackend()
    async with running_deployment(folder, backend=backend) as deployment:
        control = DeploymentFolder(folder, "test").control_socket
        async with NodesClient(control) as client:
            await client.cordon("blue")
            assert kept(folder).nodes == {"blue": NodeState.CORDONED}
            with pytest.raises(DeploymentRefusedError, match="there is no node"):
                await client.cordon("green")
            async with aclosing(client.drain("blue")) as moved:
                assert [one async for one in moved] == [("web-1", "red")]
            assert kept(folder).nodes == {"blue": NodeState.DRAINED}
            await client.uncordon("blue")
            assert kept(folder).nodes == {}
            await client.cordon("blue")
        assert deployment.orchestrator.declaration.nodes == {"blue": NodeState.CORDONED}
    assert kept(folder).nodes == {}, "it ended with its deployment"


async def test_a_topology_is_taken_up_with_other_numbers_than_its_own(folder: Path) -> None:
    async with running_deployment(folder) as deployment:
        client = deployment.client
        await through(client.apply(deployment.source, ApplyOrder(replicas={"web": 3})))
        assert deployment.runtime.boots.count("web-3") == 1
        assert kept(folder).scales == {"web": Scale(3, 2)}
        with pytest.raises(DeploymentRefusedError, match='did you mean "web"'):
            await through(client.apply(deployment.source, ApplyOrder(replicas={"wep": 3})))


async def test_a_pod_that_came_by_scaling_is_stopped_and_started_by_name(folder: Path) -> None:
    async with running_deployment(folder) as deployment:
        client, boots = deployment.client, deployment.runtime.boots
        await through(client.scale({"web": 3}))
        await through(client.restart_pods(["web-3"], None))
        assert boots.count("web-3") == 2
        await through(client.stop_pods(["web-3"], None))
        assert kept(folder).stopped == {"web-3"}
        await through(client.start_pods(["web-3"]))
        assert boots.count("web-3") == 3
        assert not kept(folder).stopped


async def through(steps: AsyncGenerator[Progress, None]) -> None:
    async with aclosing(steps):
        async for _ in steps:
            pass
