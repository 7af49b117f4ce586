"""What the next orchestrator, or the next node, has of what was done by hand before."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.processes import lock_holder
from orchestrator.codec import DeploymentClient, NodeClient
from orchestrator.errors import OrchestratorError
from orchestrator.store.state import DeploymentFolder
from orchestrator.views.deployment import PortalOrigin
from pod_node.status import PodState
from tests.support.lives import (
    boots,
    kill,
    killed_when,
    node_of,
    orchestrator_of,
    topology,
)
from tests.support.serving import short_folder
from tests.support.up import podnet, take_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(300)

POLITE = """
import signal, sys, time

def end(*_):
    time.sleep(1)  # the orchestrator is gone by then
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
print("version", sys.argv[1], flush=True)
while True:
    time.sleep(1000)
"""


@pytest.fixture
async def state() -> AsyncIterator[Path]:
    with short_folder() as folder:
        try:
            yield folder
        finally:
            await take_down(folder)


async def states(state: Path) -> set[PodState]:
    async with NodeClient(DeploymentFolder(state, "lives").socket) as client:
        return {pod.state for pod in await client.list_pods()}


async def test_a_restart_whose_orchestrator_is_killed_is_finished_by_the_next(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one")
    (tmp_path / "app" / "main.py").write_text(POLITE)
    # They end well, and no restart policy and no other try brings them back.
    await podnet(state, "up", file, "-d")
    async with killed_when(state, "restart", line="restart a-3"):
        async with asyncio.timeout(60):
            while {PodState.BOOTING, PodState.STOPPING} & await states(state):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert await boots(state) == {f"a-{n}": 2 for n in range(1, 4)}
    assert (await podnet(state, "up", file, "--dry-run")).out == "nothing to do\n"


async def test_one_topology_runs_twice_under_two_names(state: Path, tmp_path: Path) -> None:
    file = topology(tmp_path, "one", replicas=1)
    assert (await podnet(state, "up", file, "-d")).status == 0
    named = ("up", file, "-d", "--name", "twin")
    twin = await podnet(state, *named, "--scale", "a=2")
    assert twin.status == 0, twin.err
    assert "boot a-2: not there yet\n" in twin.err
    pid = lock_holder(state / "twin" / "lock")
    assert pid is not None
    await kill(pid)
    again = await podnet(state, *named)
    assert (again.status, "nothing to do" in again.err) == (0, True)
    assert (await podnet(state, "down", "twin")).out == "twin is down\n"
    assert await boots(state) == {"a-1": 1}


async def test_a_topology_that_cannot_be_leaves_the_one_before_in_charge(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=1)
    await podnet(state, "up", file, "-d")
    await kill(orchestrator_of(state))
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        port = blocker.getsockname()[1]
        wrong = tmp_path / "wrong.yaml"
        text = await asyncio.to_thread(Path(file).read_text)
        wrong.write_text(text.replace('["80"]', f'["{port}:80"]'))
        refused = await podnet(state, "up", str(wrong), "-d")
        assert refused.status == 1
        assert f"port {port} on 127.0.0.1 is in use" in refused.err
    assert (await podnet(state, "up", file, "--dry-run")).out == "nothing to do\n"
    assert await boots(state) == {"a-1": 1}


async def test_portals_that_were_opened_by_hand_are_open_again_as_they_were(
    state: Path, tmp_path: Path
) -> None:
    file, control = topology(tmp_path, "one", replicas=1), state / "lives" / "control.sock"
    await podnet(state, "up", file, "-d")

    async def portals() -> dict[int, tuple[PortalOrigin, str]]:
        try:
            async with DeploymentClient(control) as client:
                listed = await client.portals()
        except OrchestratorError:  # there is no node just now
            return {}
        return {one.portal.port: (one.origin, one.portal.url) for one in listed}

    async with DeploymentClient(control) as client:
        for port in (81, 82, 83):
            await client.open_portal("a", port)
        await client.close_portals("a", 83)
    before = await portals()
    assert {port: origin for port, (origin, _) in before.items()} == {
        80: PortalOrigin.TOPOLOGY,
        81: PortalOrigin.OPENED,
        82: PortalOrigin.OPENED,
    }
    await kill(node_of(state))
    async with asyncio.timeout(60):
        while await boots(state) != {"a-1": 1} or await portals() != before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await kill(orchestrator_of(state))
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert await portals() == before
    node = node_of(state)
    await kill(orchestrator_of(state))
    await kill(node)
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert await portals() == before, "also when both are new"
