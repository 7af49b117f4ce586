"""A deployment in the background that takes requests over the network, and its clients."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

import podnet as sdk
from orchestrator.backends.processes import lock_holder
from orchestrator.codec import DeploymentClient, DeploymentLostError
from orchestrator.serving.access import RemoteAddress
from orchestrator.store.state import DeploymentFolder
from orchestrator.store.store import Store
from tests.support.serving import short_folder
from tests.support.up import Outcome, podnet, wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPOLOGY = """
name: far
services:
  a:
    image: python
    command: [python, -c, "import time; print('here', flush=True); time.sleep(1000)"]
"""


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_deployment_is_watched_and_driven_over_the_network(
    state: Path, tmp_path: Path
) -> None:
    file, token, wrong = tmp_path / "far.yaml", tmp_path / "token", tmp_path / "wrong"
    file.write_text(TOPOLOGY)
    for path, text in ((token, "0123456789abcdef"), (wrong, "fedcba9876543210")):
        path.write_text(text)
        path.chmod(0o600)
    where = f"127.0.0.1:{free_port()}"
    refused = await podnet(state, "up", "-d", str(file), "--listen", where)
    assert (refused.status, "would let anybody in" in refused.err) == (1, True)
    up = await podnet(
        state, "up", "--wait", str(file), "--listen", where, "--token-file", str(token)
    )
    assert up.status == 0, up.err

    async def there(secret: Path, *words: str) -> Outcome:
        return await podnet(
            tmp_path / "nowhere", "--connect", where, "--token-file", str(secret), *words
        )

    try:
        pods = json.loads((await there(token, "ps", "--format", "json")).out)
        assert [(pod["name"], pod["status"]) for pod in pods] == [("a-1", "running")]
        logs = await there(token, "logs", "--no-log-prefix")
        assert logs.out == "here\n"
        stranger = await there(wrong, "kill", "a")
        assert (stranger.status, "wrong token" in stranger.err) == (1, True)
        events = await there(token, "events", "--since", "1h", "--until", "0s", "--type", "access")
        assert events.out.endswith(": wrong token\n")
        async with sdk.connect(host=where, token_file=token) as far:
            assert far.name == "far"
            await far.kill("a")
            assert far.pod("a-1").phase == "exited"
    finally:
        down = await podnet(state, "down", "far")
    assert down.status == 0, down.err
    gone = await there(token, "ps")
    assert (gone.status, "does not answer" in gone.err) == (1, True)


async def test_the_next_orchestrator_listens_where_the_killed_one_did(
    state: Path, tmp_path: Path
) -> None:
    file, token = tmp_path / "far.yaml", tmp_path / "token"
    file.write_text(TOPOLOGY)
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    port = free_port()
    listening = ("--listen", f"127.0.0.1:{port}", "--token-file", str(token))
    up = await podnet(state, "up", "-d", str(file), *listening)
    assert up.status == 0, up.err

    there = RemoteAddress(host="127.0.0.1", port=port, token_file=token)

    async def next_one() -> None:
        pid = lock_holder(state / "far" / "lock")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await wait_gone([pid])
        again = await podnet(state, "up", "-d", str(file))
        assert again.status == 0, again.err

    try:
        token.chmod(0o644)
        await next_one()
        told = await podnet(state, "events", "--since", "1h", "--until", "0s")
        assert f"not listening as before: token file {token} is open to others" in told.out
        token.chmod(0o600)
        async with DeploymentClient(there) as client:
            with pytest.raises(DeploymentLostError):
                await client.describe()
        await next_one()
        async with DeploymentClient(there) as client:
            assert (await client.describe()).name == "far", "a failure does not make it forgotten"
    finally:
        await podnet(state, "down", "far")
    with Store.open(DeploymentFolder(state, "far").database) as store:
        assert store.load().listening is None, "down has ended it"
