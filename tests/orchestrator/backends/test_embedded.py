"""A real node process below the test's own."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.backend import NodeDiedError
from orchestrator.backends.embedded import EmbeddedBackend
from orchestrator.backends.on_call import node_on_call
from orchestrator.backends.processes import lock_holder
from orchestrator.backends.ray.record import ClusterRecord, keep_record
from orchestrator.backends.starting import node_ahead
from orchestrator.backends.wish import RayWish
from orchestrator.codec import NodeLostError
from orchestrator.store.state import DeploymentFolder
from tests.support.serving import short_folder
from tests.support.up import descendants, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder() -> Iterator[DeploymentFolder]:
    with short_folder() as root:
        folder = DeploymentFolder(root, "test")
        with folder.hold():
            yield folder


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_node_outlives_whoever_started_it_until_it_is_ended(
    folder: DeploymentFolder,
) -> None:
    first, second = EmbeddedBackend(folder), EmbeddedBackend(folder)
    async with first.connect() as client:
        await client.attach_networks([("front", IPv4Network("10.10.0.0/24"))])
        assert permissions(folder.socket) == 0o600
        assert permissions(folder.path) == 0o700
    async with second.connect() as client:
        assert second.pid == first.pid
        assert list(await client.list_networks()) == ["front"]
    pid = second.pid
    await second.end()
    assert not runs(pid)
    assert second.pid == 0
    assert not folder.socket.exists()
    await second.end()


async def test_a_node_that_was_started_ahead_is_the_one_that_is_taken(
    folder: DeploymentFolder,
) -> None:
    with node_ahead(folder) as starting:
        backend = EmbeddedBackend(folder, starting)
        async with backend.connect() as client:
            await client.list_networks()
            pid = backend.pid
    assert runs(pid)
    with node_ahead(folder) as another:
        assert another is None, "one runs already"
    await backend.end()
    assert not runs(pid)


def test_no_node_is_started_ahead_for_a_deployment_on_a_ray_cluster(
    folder: DeploymentFolder,
) -> None:
    with node_ahead(folder, RayWish()) as wished:
        assert wished is None
    keep_record(folder.path, ClusterRecord("10.0.0.1:6379", 5.0))
    with node_ahead(folder) as recorded:
        assert recorded is None


def test_a_node_that_was_started_ahead_ends_when_nobody_takes_it(folder: DeploymentFolder) -> None:
    with node_ahead(folder) as starting:
        assert starting is not None
        pid = starting.pid
        assert runs(pid)
    assert not runs(pid)


async def test_a_node_on_call_becomes_the_node_that_it_is_called_to_be(
    folder: DeploymentFolder,
) -> None:
    with node_on_call() as on_call, node_ahead(folder, on_call=on_call) as starting:
        assert starting is not None
        assert starting.was_on_call
        backend = EmbeddedBackend(folder, starting)
        async with backend.connect() as client:
            await client.list_networks()
            assert backend.pid == starting.pid
            assert lock_holder(folder.path / "node.lock") == starting.pid
    assert runs(starting.pid)
    assert folder.node_log.read_bytes() == b""
    with node_on_call() as idle, node_ahead(folder, on_call=idle) as another:
        assert another is None, "one runs already"
        assert idle.call([], folder.node_log) is None, "it has ended"
    await backend.end()


def test_a_node_on_call_ends_when_nobody_calls_it(folder: DeploymentFolder) -> None:
    before = set(descendants(os.getpid()))
    with node_on_call():
        (pid,) = set(descendants(os.getpid())) - before
    assert not runs(pid)


def test_a_node_on_call_ends_with_whoever_could_have_called_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pod_node", "--on-call"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_a_node_on_call_that_could_not_load_is_started_again_with_its_log(
    folder: DeploymentFolder,
) -> None:
    with node_on_call() as on_call, node_ahead(folder, on_call=on_call) as starting:
        assert starting is not None
        os.kill(starting.pid, signal.SIGKILL)
        backend = EmbeddedBackend(folder, starting)
        async with backend.connect() as client:
            await client.list_networks()
            assert backend.pid != starting.pid
    await backend.end()


async def test_a_node_that_was_killed_is_told(folder: DeploymentFolder) -> None:
    backend = EmbeddedBackend(folder)
    async with backend.connect() as client:
        backend.kill()
        with pytest.raises(NodeLostError):
            async for _ in client.watch():
                pass
        died = await backend.death()
    assert "(signal SIGKILL; the machine may be out of memory)" in str(died)
    assert died.summary == "node lost (signal SIGKILL; the machine may be out of memory)"
    async with backend.connect() as client:
        assert await client.list_pods() == []
    await backend.end()


async def test_a_second_node_in_the_same_folder_ends_at_once(folder: DeploymentFolder) -> None:
    backend = EmbeddedBackend(folder)
    async with backend.connect():
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pod_node", "--socket", str(folder.path / "other.sock")),
            *("--state", str(folder.path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await other.communicate()
        assert other.returncode == 1
        assert f"the pod node with process id {backend.pid} uses it" in error.decode()
    await backend.end()


async def test_a_node_that_does_not_answer_is_ended_and_started_anew(
    folder: DeploymentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = EmbeddedBackend(folder)
    async with backend.connect():
        stuck = backend.pid
        os.kill(stuck, signal.SIGSTOP)
    monkeypatch.setattr("orchestrator.backends.embedded.ANSWER_S", 0.5)
    async with backend.connect() as client:
        assert backend.pid != stuck
        assert await client.list_pods() == []
    await backend.end()


async def test_a_node_that_cannot_start_says_why(
    folder: DeploymentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(NodeDiedError, match=r"exit status 1.* nothing"):
        async with EmbeddedBackend(folder).connect():
            pass


def test_the_error_survives_pickling() -> None:
    error = NodeDiedError("exit status 1", "/state/node.log", ("one", "two"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error).endswith("/state/node.log:\n  | one\n  | two")
