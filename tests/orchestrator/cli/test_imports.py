"""What a verb that talks to a running deployment loads: that is most of the time that it takes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.main import VERBS, main
from orchestrator.store.state import DeploymentFolder
from orchestrator.store.store import Store
from tests.support.deployments import deployment_in_background
from tests.support.serving import short_folder
from vnet.capture import CaptureBatch, CapturedPacket, InterfacePlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = (
    "dns",
    "httptools",
    "networkx",
    "orchestrator.topology.schema",
    "pydantic",
    "ray",
    "rich",
    "segno",
    "wasmtime",
    "yaml",
)
CALLS = (
    "ps -a",
    "ps --services --filter status=running",
    "portal ls",
    "portal open web:80",
    "port web 80",
    "portal close web",
    "stats --no-stream --format json",
    "cp --help",
    "link show",
    "link set web gw --delay 30ms --gemodel 1% --format json",
    "link set web gw --delay 30ms --gemodel 1%,10%",
    "link reset --all",
    "node ls",
    "node --help",
    "ls -a",
    "logs --tail 1 --since 5m --until 2030-01-01",
    "metrics",
    "netstat --format json",
    "netstat --flows --links --interfaces --rules",
    "inspect web-1",
    "inspect web--gw@front --format json",
    "inspect --connect web api:8000",
    "partition web gw --duration 1h",
    "heal --all",
    "hold web gw",
    "release",
    "pause web",
    "resume web",
    "ping web gw -c 1 -i 1ms",
    "capture web-1 -c 1",
    "cp web-1:/etc/hostname -",
    "top -i 1ms",
    "kill web-2",
    "exec web-1 python",
    "attach web-9",
    "shell web-1",
    "scale web=3",
    "stop web-1",
    "start web-1",
    "restart api --timeout 1s",
)
TOPOLOGIES_TOO = {"graph", "image", "plan", "up", "validate", "watch"}
"""Verbs that read topologies or fetch images; a picture of what runs is drawn from its topology."""
CALL = f"""
import sys
from orchestrator.cli.main import main
calls = sys.argv[1:]
loaded, named = {{}}, set()
for call in calls:
    main(call.split())
    fresh = {{name for name in {HEAVY} if name in sys.modules}} - named
    named |= fresh
    loaded |= {{call: sorted(fresh)}} if fresh else {{}}
sys.exit(str(loaded) if loaded else 0)
"""


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    packet = CapturedPacket(time_ns=1, size_bytes=60, data=bytes(60))
    with short_folder() as folder, deployment_in_background(folder) as deployment:
        DeploymentFolder(folder, "test").socket.symlink_to(deployment.node.socket)
        web = InterfacePlace(IPv4Address("10.10.0.2"))
        deployment.runtime.seen[web] = [CaptureBatch(packets=(packet,))]
        monkeypatch.setenv("PODNET_STATE", str(folder))
        yield folder


def test_no_verb_of_a_running_deployment_loads_what_only_topologies_need(state: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CALL, *CALLS], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("error")) == (0, 4), done.stderr
    assert 'gemodel: expected "P R 1-H 1-K"' in done.stderr
    assert "web-1" in done.stdout
    assert {call.split()[0] for call in CALLS} == VERBS.keys() - TOPOLOGIES_TOO - {"down", "events"}


def test_down_loads_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path))
    folder = DeploymentFolder(tmp_path, "test")
    with folder.hold():
        Store.open(folder.database).close()
    done = subprocess.run([sys.executable, "-c", CALL, "down test"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "test does not run\n", "")


def test_events_load_no_more(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-u", "-c", CALL, "events --format json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], 0.1)[0]:
            assert process.poll() is None
            main(["hold", "web", "gw"])
            main(["release", "--all"])
        event = json.loads(os.read(process.stdout.fileno(), 65_536).splitlines()[0])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, b"")
    assert (event["type"], event["action"]) in (("fault", "begun"), ("fault", "ended"))
    assert "is held" in capsys.readouterr().out
