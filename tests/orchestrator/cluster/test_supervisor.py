"""One real node process under a supervisor, with leases that somebody grants, or does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.cluster.certificates import open_credentials
from orchestrator.cluster.values import NodeEnd
from orchestrator.codec import NodeClient, NodeLostError
from orchestrator.codec.securing import NodeAddress
from tests.support.fleets import FleetRig, fleet_rig, grant
from tests.support.serving import short_folder
from tests.support.up import runs


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FleetRig]:
    with short_folder() as folder:
        monkeypatch.setenv("PODNET_STATE", str(folder))
        async with fleet_rig(folder) as rig:
            yield rig


async def test_a_node_whose_lease_is_not_renewed_ends_by_itself(rig: FleetRig) -> None:
    granted: list[float | None] = [1.0]

    async def renew() -> float | None:
        return granted.pop() if granted else None

    from orchestrator.cluster.supervisor import Supervisor

    supervisor = Supervisor()
    ready = await supervisor.start(rig.order("a"), renew)
    assert not isinstance(ready, NodeEnd)
    await supervisor.attend(renew, 1.0)
    end = await supervisor.wait()
    assert end.cause == "it was cut off and has ended by itself"
    assert not runs(ready.pid)
    assert supervisor.ready is None


async def test_a_node_that_is_renewed_lives_on_past_its_first_lease(rig: FleetRig) -> None:
    from orchestrator.cluster.supervisor import Supervisor

    supervisor, count = Supervisor(), 0
    longer = asyncio.Event()

    async def renew() -> float | None:
        nonlocal count
        count += 1
        if count > 20:
            longer.set()
        return 5.0 if count == 1 else 10.0

    ready = await supervisor.start(rig.order("a"), renew)
    assert not isinstance(ready, NodeEnd)
    attending = asyncio.ensure_future(supervisor.attend(renew, 0.4))  # noqa: TID251 - waited for
    await longer.wait()
    assert runs(ready.pid)
    attending.cancel()
    end = await supervisor.stop()
    assert end.cause == "exit status 0"


async def test_a_killed_node_is_told_with_its_last_words(rig: FleetRig) -> None:
    supervisor, ready = await rig.start("a")
    os.kill(ready.pid, signal.SIGKILL)
    end = await supervisor.wait()
    assert end.cause == "signal SIGKILL; the machine may be out of memory"
    assert await supervisor.stop() == end


async def test_a_node_that_cannot_start_says_why(rig: FleetRig) -> None:
    from orchestrator.cluster.supervisor import Supervisor

    order = replace(rig.order("a"), host="192.0.2.1")
    end = await Supervisor().start(order, grant)
    assert isinstance(end, NodeEnd)
    assert "192.0.2.1: cannot serve on this address" in end.summary


async def test_a_node_obeys_its_orchestrator_only(rig: FleetRig, tmp_path: Path) -> None:
    _, ready = await rig.start("a")
    own = rig.credentials.client
    async with NodeClient(NodeAddress(target=ready.address, name="a", credentials=own)) as client:
        assert await client.list_pods() == []
    node, authority = rig.credentials.node("b")
    as_node = replace(own, certificate=node.certificate, key=node.key, nodes=authority)
    other = open_credentials("test", tmp_path / "other", datetime.now(UTC)).client
    stranger = replace(other, nodes=own.nodes)
    for credentials, name in ((as_node, "a"), (stranger, "a"), (own, "b")):
        address = NodeAddress(target=ready.address, name=name, credentials=credentials)
        async with NodeClient(address) as client:
            with pytest.raises(NodeLostError):
                await client.list_pods()


def test_credentials_are_kept_where_nobody_else_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    first = open_credentials("test", folder, datetime.now(UTC))
    second = open_credentials("test", folder, datetime.now(UTC))
    assert first.client.nodes == second.client.nodes
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700
