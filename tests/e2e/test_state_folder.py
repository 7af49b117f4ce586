"""A state folder that is full, or that a newer podnet has used: told, and nothing is lost."""

from __future__ import annotations

import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.lives import boots, kill, node_of, orchestrator_of, topology
from tests.support.serving import short_folder
from tests.support.up import podnet, runs, take_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def state() -> AsyncIterator[Path]:
    with short_folder() as folder:
        try:
            yield folder
        finally:
            await take_down(folder)


@pytest.fixture
async def small_disk(state: Path) -> AsyncIterator[Path]:
    """A state folder on a disk of its own, with room for a deployment and little more."""
    command = ("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "podnet-test", str(state))
    mounted = subprocess.run(command, capture_output=True, text=True)  # noqa: ASYNC221
    if mounted.returncode:
        pytest.skip(f"a disk can only be mounted by root: {mounted.stderr.strip()}")
    try:
        yield state
        await take_down(state)
    finally:
        subprocess.run(("umount", "--lazy", str(state)), check=True)  # noqa: ASYNC221


def fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


async def test_a_full_disk_is_told_changes_nothing_and_lets_the_deployment_end(
    small_disk: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=2)
    up = await podnet(small_disk, "up", file, "-d")
    assert up.status == 0, up.err
    fill(small_disk)
    refused = await podnet(small_disk, "scale", "a=1")
    assert refused.status == 1
    assert refused.err.startswith(f"error: state database {small_disk}/lives/state.db: ")
    assert "make room, or set PODNET_STATE" in refused.err
    assert await boots(small_disk) == {"a-1": 1, "a-2": 1}
    await kill(orchestrator_of(small_disk))
    (small_disk / "fill").unlink()
    assert (await podnet(small_disk, "up", file, "-d")).status == 0
    assert await boots(small_disk) == {"a-1": 1, "a-2": 1}, "taken over as they were"
    fill(small_disk)
    node = node_of(small_disk)
    down = await podnet(small_disk, "down", "lives")
    assert (down.status, down.out.endswith("lives is down\n")) == (0, True), down.err
    assert not runs(node)


async def test_a_full_disk_without_an_orchestrator_lets_pods_end_all_the_same(
    small_disk: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=1)
    assert (await podnet(small_disk, "up", file, "-d")).status == 0
    fill(small_disk)
    node = node_of(small_disk)
    await kill(orchestrator_of(small_disk))
    down = await podnet(small_disk, "down", "lives")
    assert (down.status, down.out) == (0, "lives is down\n"), down.err
    assert not runs(node)


async def test_the_state_of_a_newer_podnet_is_left_alone(state: Path, tmp_path: Path) -> None:
    file = topology(tmp_path, "one", replicas=1)
    assert (await podnet(state, "up", file, "-d")).status == 0
    node, database = node_of(state), state / "lives" / "state.db"
    await kill(orchestrator_of(state))
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    refused = await podnet(state, "up", file, "-d")
    assert refused.status == 1
    assert f"error: state database {database}: a newer podnet wrote it (version 99" in refused.err
    assert f'mv "{database}" "{database}.old"' in refused.err
    assert runs(node), "its pods are not touched"
    assert (await podnet(state, "down", "lives")).status == 0
    assert not runs(node)
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    connection.close()
