"""A real node process below the test's own."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.backend import NodeDiedError
from orchestrator.backends.embedded import EmbeddedBackend
from orchestrator.codec import NodeLostError
from orchestrator.state import DeploymentFolder
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


async def test_a_node_lasts_as_long_as_its_block(folder: DeploymentFolder) -> None:
    async with EmbeddedBackend(folder).run() as client:
        assert await client.list_pods() == []
        assert permissions(folder.socket) == 0o600
        assert permissions(folder.path) == 0o700
        pids = descendants(os.getpid())
        assert pids
    assert not any(runs(pid) for pid in pids)
    assert not folder.socket.exists()


async def test_a_node_that_was_killed_is_told(folder: DeploymentFolder) -> None:
    backend = EmbeddedBackend(folder)
    async with backend.run() as client:
        backend.kill()
        with pytest.raises(NodeLostError):
            async for _ in client.watch():
                pass
        died = await backend.death()
    assert "(signal SIGKILL; the machine may be out of memory)" in str(died)
    assert not folder.socket.exists()


async def test_a_node_that_cannot_start_says_why(
    folder: DeploymentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(NodeDiedError, match=r"exit status 1.* nothing"):
        async with EmbeddedBackend(folder).run():
            pass


def test_the_error_survives_pickling() -> None:
    error = NodeDiedError("exit status 1", "/state/node.log", ("one", "two"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error).endswith("/state/node.log:\n  | one\n  | two")
