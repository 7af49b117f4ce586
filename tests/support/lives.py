"""A deployment whose processes tests kill: what it is of, who runs it, what it came to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from orchestrator.backends.processes import lock_holder
from orchestrator.codec import NodeClient, NodeLostError
from orchestrator.store.state import DeploymentFolder
from pod_node.status import PodState
from tests.support.up import podnet, wait_gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PROGRAM = """
import os, sys, time
print("version", sys.argv[1], flush=True)
if sys.argv[1] == "broken":
    sys.exit(3)
time.sleep(1000)
"""


def topology(
    folder: Path,
    version: str,
    replicas: int = 3,
    more: str = "",
    policy: str = "no",
    checks: str = "",
) -> str:
    """One service of some pods that do nothing."""
    (folder / "app").mkdir(exist_ok=True)
    (folder / "app" / "main.py").write_text(PROGRAM)
    file = folder / "topology.yaml"
    file.write_text(
        f"""
name: lives
services:
  a:
    image: python
    command: [python, /app/main.py, "{version}"]
    volumes: ["./app:/app:ro"]
    ports: ["80"]
    stop_grace_period: 5s
    restart: "{policy}"
    {checks}
    deploy:
      replicas: {replicas}
      {more}
"""
    )
    return str(file)


def orchestrator_of(state: Path) -> int:
    pid = lock_holder(state / "lives" / "lock")
    assert pid is not None
    return pid


def node_of(state: Path) -> int:
    pid = lock_holder(state / "lives" / "node.lock")
    assert pid is not None
    return pid


async def pods_of(state: Path) -> dict[str, dict[str, object]]:
    listed = await podnet(state, "ps", "lives", "--format", "json")
    return {pod["name"]: pod for pod in json.loads(listed.out or "[]")}


async def boots(state: Path) -> dict[str, int]:
    """How often each pod that runs was booted, which its node counts."""
    try:
        async with NodeClient(DeploymentFolder(state, "lives").socket) as client:
            pods = await client.list_pods()
    except NodeLostError:
        return {}
    return {pod.spec.name: pod.generation for pod in pods if pod.state is PodState.RUNNING}


async def until(state: Path, found: Callable[[dict[str, dict[str, object]]], bool]) -> None:
    async with asyncio.timeout(60):
        while not found(await pods_of(state)):  # noqa: ASYNC110 - a command is asked
            await asyncio.sleep(0.05)


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await wait_gone([pid])


@asynccontextmanager
async def killed_when(state: Path, *command: str, line: str) -> AsyncIterator[None]:
    """Run a command until it says something, then kill the orchestrator."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    assert process.stdout is not None
    while line not in (text := (await process.stdout.readline()).decode()):
        assert text, f"{command} ended without saying {line}"
    await kill(orchestrator_of(state))
    await process.communicate()
    yield
