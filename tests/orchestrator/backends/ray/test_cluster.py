"""A deployment on a real Ray cluster: placed, drained, hit by losses, taken down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.serving import short_folder
from tests.support.up import runs

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

TOPOLOGY = """
name: shop
services:
  web:
    image: python
    command: [python, -m, http.server, "8000"]
    working_dir: /site
    volumes: [".:/site:ro"]
    healthcheck: {tcp: ":8000", interval: 500ms, timeout: 20s, start_period: 60s}
    deploy: {replicas: 3}
  client:
    image: python
    command:
      - python
      - -u
      - -c
      - |
        import time, urllib.request
        while True:
            try:
                print("ok", len(urllib.request.urlopen("http://web:8000/", timeout=5).read()) > 0)
            except OSError as error:
                print("error", error)
            time.sleep(0.3)
    depends_on: {web: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone!=a"]}}
"""


class Command:
    """`podnet up --ray`, and what it says."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said: list[str] = []

    def until(self, condition: Callable[[str], bool]) -> str:
        """Read lines until one is as expected; return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if condition(line):
                return line
        raise AssertionError("it ended first:\n" + "".join(self.said[-40:]))

    def until_ok(self, times: int = 3) -> None:
        """Read until the client has been served so often in a row."""
        streak = 0

        def served(line: str) -> bool:
            nonlocal streak
            if line.startswith("client-1"):
                streak = streak + 1 if "ok True" in line else 0
            return streak == times

        self.until(served)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        cluster.add("a")
        cluster.add("b")
        yield cluster


@pytest.fixture(scope="module")
def shop(cluster: RayCluster) -> Iterator[Command]:
    with short_folder() as folder:
        (folder / "shop.yaml").write_text(TOPOLOGY)
        environment = cluster.environment | {
            "PODNET_STATE": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [*PODNET, "up", str(folder / "shop.yaml"), "--ray", cluster.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        try:
            yield Command(process, folder)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


PODNET = (sys.executable, "-m", "orchestrator.cli.main")


def podnet(command: Command, *words: str) -> str:
    done = subprocess.run(
        [*PODNET, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PODNET_STATE": str(command.folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def nodes_of(command: Command) -> dict[str, str]:
    rows = json.loads(podnet(command, "ps", "shop", "--format", "json"))
    return {row["name"]: row["machine"] for row in rows}


def test_pods_are_spread_over_machines_and_reach_each_other(shop: Command) -> None:
    shop.until_ok()
    nodes = nodes_of(shop)
    assert nodes["client-1"] == "b"
    assert {nodes[f"web-{number}"] for number in (1, 2, 3)} == {"a", "b"}
    shown = podnet(shop, "node", "ls")
    assert re.search(r"^a +ready +[12] of \d+ +4 ", shown, re.MULTILINE)
    assert "zone=b" in shown


def test_a_drained_node_loses_its_pods_one_by_one_under_traffic(shop: Command) -> None:
    moved = podnet(shop, "node", "drain", "a")
    assert moved.splitlines()
    assert all(line.endswith(": to b") for line in moved.splitlines())
    shop.until_ok()
    assert set(nodes_of(shop).values()) == {"b"}
    assert "drained" in podnet(shop, "node", "ls")
    podnet(shop, "node", "uncordon", "a")


def test_pods_of_a_machine_that_is_lost_run_elsewhere(shop: Command, cluster: RayCluster) -> None:
    cluster.add("c")
    shop.until(lambda _: any(n["name"] == "c" for n in listed(shop)))
    cluster.kill("b")
    shop.until(lambda line: "node b lost" in line)
    shop.until_ok()
    nodes = nodes_of(shop)
    assert set(nodes.values()) == {"a", "c"}
    assert nodes["client-1"] == "c"


def listed(command: Command) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(podnet(command, "node", "ls", "--format", "json"))
    return found


def test_a_node_process_that_is_killed_comes_back_on_its_machine(shop: Command) -> None:
    before = {str(node["name"]): node["process_id"] for node in listed(shop)}
    victim = before["a"]
    assert isinstance(victim, int)
    os.kill(victim, signal.SIGKILL)
    shop.until(lambda line: "node a lost: signal SIGKILL" in line)
    shop.until_ok()
    shop.until(lambda _: any(n["name"] == "a" for n in listed(shop)))
    assert all(n["process_id"] != victim for n in listed(shop))


def test_ctrl_c_ends_every_node(shop: Command) -> None:
    pids = [node["process_id"] for node in listed(shop)]
    shop.process.send_signal(signal.SIGINT)
    shop.process.communicate()
    assert shop.process.returncode == 130
    assert not any(runs(pid) for pid in pids if isinstance(pid, int))
    assert not (shop.folder / "shop" / "cluster.json").exists()


def test_pods_outlive_an_orchestrator_that_is_killed_and_the_next_one_finds_them(
    shop: Command, cluster: RayCluster
) -> None:
    up = ("up", "-d", str(shop.folder / "shop.yaml"), "--ray", cluster.address)
    environment = cluster.environment | {"PODNET_STATE": str(shop.folder)}

    def call(*words: str) -> None:
        done = subprocess.run([*PODNET, *words], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr

    call(*up)
    before = {node["name"]: node["process_id"] for node in listed(shop)}
    boots = json.loads(podnet(shop, "ps", "shop", "--format", "json"))
    holder = int((shop.folder / "shop" / "lock").read_text())
    os.kill(holder, signal.SIGKILL)
    call(*up)
    assert {node["name"]: node["process_id"] for node in listed(shop)} == before
    again = json.loads(podnet(shop, "ps", "shop", "--format", "json"))
    assert [(row["name"], row["machine"]) for row in again] == [
        (row["name"], row["machine"]) for row in boots
    ]
    os.kill(int((shop.folder / "shop" / "lock").read_text()), signal.SIGKILL)
    call("down", "shop")
    assert not any(runs(pid) for pid in before.values() if isinstance(pid, int))


def test_a_deployment_in_the_background_is_on_the_cluster_that_was_named(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(*words: str) -> str:
        return subprocess.check_output([*PODNET, *words], text=True)

    with short_folder() as folder:
        for name, value in (cluster.environment | {"PODNET_STATE": str(folder)}).items():
            monkeypatch.setenv(name, value)
        (folder / "back.yaml").write_text(TOPOLOGY.replace("name: shop", "name: back"))
        say("up", str(folder / "back.yaml"), "-d", "--ray", cluster.address)
        try:
            rows = json.loads(say("ps", "back", "--format", "json"))
        finally:
            assert say("down", "back") == "back is down\n"
        assert rows
        assert all(row["machine"] for row in rows)
