"""A running deployment under control, as a person has it: `podnet up`, and verbs beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet, podnet_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

TOPOLOGY = """
name: lab
networks:
  front: {subnet: 10.10.0.0/24}
services:
  server:
    image: python
    command: [python, -m, http.server, "8000"]
    networks: [front]
    healthcheck: {tcp: ":8000", interval: 1s, start_interval: 100ms, start_period: 20s}
  client:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
    networks: [front]
    restart: always
    depends_on: {server: {condition: service_healthy}}
links:
  - {endpoints: [client, server], delay: 10ms}
policies:
  - {service: client, ingress: [{from: [server], ports: [9000]}]}
"""


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


async def good(state: Path, *arguments: str) -> str:
    outcome = await podnet(state, *arguments)
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out


async def rtt_ns(state: Path) -> int:
    """The least time of three pings; none is lost on these links."""
    text = await good(state, "ping", "client", "server", "-c3", "-i", "10ms", "--format", "json")
    return int(json.loads(text)["rtt_ns"]["min"])


async def test_a_network_is_shaped_broken_and_mended(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(TOPOLOGY)
    async with podnet_up(file, state) as up:
        await up.until(lambda line: line.startswith("client-1") and "10.10.0." in line)
        assert 20_000_000 <= await rtt_ns(state) < 21_000_000
        await good(state, "link", "set", "client", "server", "--delay", "50ms")
        assert 100_000_000 <= await rtt_ns(state) < 101_000_000
        await good(state, "link", "reset", "--all")
        await good(state, "partition", "client", "server", "--name", "wall")
        cut = await podnet(state, "ping", "client", "server", "-c1", "-W", "200ms")
        assert (cut.status, "1 request, 0 answered, 100% lost" in cut.out) == (1, True)
        await good(state, "heal", "wall")
        assert 20_000_000 <= await rtt_ns(state) < 21_000_000
        await good(state, "kill", "client")
        await up.until(lambda line: line.startswith("client-1: running, restarted 1x"))
        denied = await podnet(state, "inspect", "--connect", "server", "client:22")
        assert (denied.status, "refused" in denied.out) == (1, True)
        counted = json.loads(await good(state, "netstat", "--links", "--format", "json"))
        forward = next(link for link in counted["links"] if link["link"] == "client--server@front")
        assert forward["packets"] > 0
        assert forward["cut_packets"] > 0
        assert await up.end(signal.SIGINT) == 130
    for notice in (
        "podnet: wall: traffic between client | server is lost\n",
        "podnet: wall: healed\n",
    ):
        assert notice in up.err
    gone = await podnet(state, "link", "show")
    assert (gone.status, "no deployment runs" in gone.err) == (1, True)


async def test_ctrl_c_ends_a_ping_with_its_summary(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(TOPOLOGY)
    async with podnet_up(file, state) as up:
        await up.until(lambda line: line.startswith("client-1") and "10.10.0." in line)
        ping = await running_ping(state)
        assert ping.stdout is not None
        while b"seq=2" not in await ping.stdout.readline():
            pass
        ping.send_signal(signal.SIGINT)
        out, _ = await ping.communicate()
        assert b" answered, 0% lost" in out
        assert ping.returncode == 0


async def running_ping(state: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main"),
        *("ping", "client", "server", "-i", "10ms"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state), "PYTHONUNBUFFERED": "1"},
    )
