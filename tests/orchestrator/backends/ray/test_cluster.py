"""A deployment on a real Ray cluster: placed, drained, hit by losses, taken down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.cluster_command import PODNET, Command, up
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


def until_ok(shop: Command, times: int = 3) -> None:
    """Read until the client has been served so often in a row."""
    streak = 0

    def served(line: str) -> bool:
        nonlocal streak
        if line.startswith("client-1"):
            streak = streak + 1 if "ok True" in line else 0
        return streak == times

    shop.until(served)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        cluster.add("a")
        cluster.add("b")
        yield cluster


@pytest.fixture(scope="module")
def shop(cluster: RayCluster) -> Iterator[Command]:
    with up(cluster, "shop", TOPOLOGY) as command:
        yield command


def test_pods_are_spread_over_machines_and_reach_each_other(shop: Command) -> None:
    until_ok(shop)
    nodes = shop.nodes_of("shop")
    assert nodes["client-1"] == "b"
    assert {nodes[f"web-{number}"] for number in (1, 2, 3)} == {"a", "b"}
    shown = shop.podnet("node", "ls")
    assert re.search(r"^a +ready +[12] of \d+ +4 ", shown, re.MULTILINE)
    assert "zone=b" in shown


def test_what_services_exchange_is_measured_and_planned_with(
    shop: Command, cluster: RayCluster
) -> None:
    record = shop.folder / "shop" / "traffic.json"
    shop.until(lambda _: record.exists() and "client" in record.read_text())
    planned = shop.podnet("plan", str(shop.folder / "shop.yaml"), "--ray", cluster.address)
    assert re.search(r"^client - web +1\.00 +1\.00 +\d+k +2\.00$", planned, re.MULTILINE)
    before = shop.nodes_of("shop")
    until_ok(shop)
    assert shop.nodes_of("shop") == before, "nothing is moved for it"


def test_a_drained_node_loses_its_pods_one_by_one_under_traffic(shop: Command) -> None:
    moved = shop.podnet("node", "drain", "a")
    assert moved.splitlines()
    assert all(line.endswith(": to b") for line in moved.splitlines())
    until_ok(shop)
    assert set(shop.nodes_of("shop").values()) == {"b"}
    assert "drained" in shop.podnet("node", "ls")
    shop.podnet("node", "uncordon", "a")


def test_pods_of_a_machine_that_is_lost_run_elsewhere(shop: Command, cluster: RayCluster) -> None:
    cluster.add("c")
    shop.until(lambda _: any(n["name"] == "c" for n in shop.nodes()))
    cluster.kill("b")
    shop.until(lambda line: "node b lost" in line)
    until_ok(shop)
    nodes = shop.nodes_of("shop")
    assert set(nodes.values()) == {"a", "c"}
    assert nodes["client-1"] == "c"


def test_a_node_process_that_is_killed_comes_back_on_its_machine(shop: Command) -> None:
    before = {str(node["name"]): node["process_id"] for node in shop.nodes()}
    victim = before["a"]
    assert isinstance(victim, int)
    os.kill(victim, signal.SIGKILL)
    shop.until(lambda line: "node a lost: signal SIGKILL" in line)
    until_ok(shop)
    shop.until(lambda _: any(n["name"] == "a" for n in shop.nodes()))
    assert all(n["process_id"] != victim for n in shop.nodes())


def test_ctrl_c_ends_every_node(shop: Command) -> None:
    pids = [node["process_id"] for node in shop.nodes()]
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
    call("node", "cordon", "b", "-d", "shop")
    before = {node["name"]: node["process_id"] for node in shop.nodes()}
    boots = json.loads(shop.podnet("ps", "shop", "--format", "json"))
    holder = int((shop.folder / "shop" / "lock").read_text())
    os.kill(holder, signal.SIGKILL)
    call(*up)
    assert {node["name"]: node["process_id"] for node in shop.nodes()} == before
    states = {node["name"]: node["state"] for node in shop.nodes()}
    assert states["b"] == "cordoned", "that was said to the orchestrator that was killed"
    again = json.loads(shop.podnet("ps", "shop", "--format", "json"))
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
