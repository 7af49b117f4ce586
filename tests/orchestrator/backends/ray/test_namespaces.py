"""A topology over two machines that share nothing but a wire: network namespaces, joined by one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.lab import python_image
from tests.support.namespaces import Namespace, two_namespaces
from tests.support.serving import short_folder

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

SUBNET = "10.213.57"
PORT = 6391
RAY = str(Path(sys.executable).with_name("ray"))
PODNET = (sys.executable, "-m", "orchestrator.cli.main")
TOPOLOGY = """
name: wired
services:
  web:
    image: python
    command: [python, -m, http.server, "8000"]
    working_dir: /site
    volumes: [".:/site:ro"]
    healthcheck: {tcp: ":8000", interval: 500ms, start_period: 60s}
    deploy: {placement: {constraints: ["node.labels.zone==b"]}}
  client:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
    depends_on: {web: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone==a"]}}
"""
ASK = """
import urllib.request
print(len(urllib.request.urlopen("http://web:8000/", timeout=30).read()) > 0)
"""


@pytest.fixture
def machines() -> Iterator[tuple[Namespace, Namespace, dict[str, str]]]:
    """Two machines of a Ray cluster that each have an address of their own, and an environment."""
    python_image()
    with ExitStack() as stack:
        first, second = stack.enter_context(two_namespaces(SUBNET))
        folder = stack.enter_context(short_folder())
        environment = os.environ | {
            "PODNET_STATE": str(folder / "state"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        head = ("--head", f"--port={PORT}", "--include-dashboard=false")
        for name, machine, how in (
            ("a", first, head),
            ("b", second, (f"--address={first.address}:{PORT}",)),
        ):
            start = machine.inside(
                *(RAY, "start", *how, f"--node-ip-address={machine.address}", "--num-cpus=2"),
                *("--labels", f"podnet-node={name},zone={name}", "--block"),
                *("--object-store-memory", str(80 << 20), f"--temp-dir={folder / name}"),
            )
            process = subprocess.Popen(
                start,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(_end, process)
            if name == "a":
                _wait_for(first, environment)
        yield first, second, environment


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # it takes all that it has started with it
    process.communicate()


def _wait_for(head: Namespace, environment: dict[str, str]) -> None:
    """Wait until the cluster's own service takes connections."""
    probe = (
        "import socket, sys, time\n"
        "for _ in range(600):\n"
        "    try:\n"
        f"        socket.create_connection(({head.address!r}, {PORT}), 1).close()\n"
        "        sys.exit(0)\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
        "sys.exit(1)"
    )
    subprocess.run(head.inside(sys.executable, "-c", probe), check=True, env=environment)


def test_a_topology_spans_two_machines_that_share_only_a_wire(
    machines: tuple[Namespace, Namespace, dict[str, str]], tmp_path: Path
) -> None:
    first, _, environment = machines
    (tmp_path / "wired.yaml").write_text(TOPOLOGY)

    def podnet(*words: str) -> str:
        done = subprocess.run(
            first.inside(*PODNET, *words), capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def machines_of_the_cluster() -> int:
        plan = (*PODNET, "plan", str(tmp_path / "wired.yaml"), "--format", "json", "--ray", address)
        shown = subprocess.run(
            first.inside(*plan), capture_output=True, text=True, env=environment, check=False
        ).stdout
        return len(json.loads(shown)["nodes"]) if shown else 0

    address = f"{first.address}:{PORT}"
    while machines_of_the_cluster() < 2:
        pass
    podnet("up", "-d", str(tmp_path / "wired.yaml"), "--ray", address)
    try:
        rows = json.loads(podnet("ps", "wired", "--format", "json"))
        assert {row["name"]: row["machine"] for row in rows} == {"web-1": "b", "client-1": "a"}
        assert podnet("exec", "client-1", "--", "python", "-c", ASK) == "True\n"
    finally:
        podnet("down", "wired")
