"""Every process of a deployment on a real Ray cluster is killed once, while requests flow.

Only what ran through it fails, and everything comes back. What becomes of a killed orchestrator and
of a killed node process is in `test_cluster.py`, beside what else these two do.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.cluster_command import Command, up
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.serving import short_folder
from tests.support.up import descendants

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

TOPOLOGY = """
name: kills
x-client: &client
  image: python
  command:
    - python
    - -u
    - -c
    - |
      import os, time, urllib.request
      while True:
          try:
              print("ok", len(urllib.request.urlopen(os.environ["URL"], timeout=5).read()) > 0)
          except OSError as error:
              print("error", error)
          time.sleep(0.3)
services:
  web-on-a: &web
    image: python
    command: [python, -c, "import http.server, functools; http.server.test(type('H', \
(http.server.SimpleHTTPRequestHandler,), {'log_message': lambda *_: None}), port=8000)"]
    working_dir: /site
    volumes: [".:/site:ro"]
    healthcheck: {tcp: ":8000", interval: 500ms, timeout: 20s, start_period: 60s}
    deploy: {placement: {constraints: ["node.labels.zone==a"]}}
  web-on-b:
    <<: *web
    deploy: {placement: {constraints: ["node.labels.zone==b"]}}
  client-of-a:
    <<: *client
    environment: {URL: "http://web-on-a:8000/"}
    depends_on: {web-on-a: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone==a"]}}
  client-of-b:
    <<: *client
    environment: {URL: "http://web-on-b:8000/"}
    depends_on: {web-on-b: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone==b"]}}
  client-across:
    <<: *client
    environment: {URL: "http://web-on-b:8000/"}
    depends_on: {web-on-b: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone==a"]}}
"""
CLIENTS = ("client-of-a", "client-of-b", "client-across")
TIMES = 4
"""So often in a row a client is served before it counts."""
LONG = 25
"""So often a client is served in more time than a lease lasts."""


@contextmanager
def cluster_with_storage() -> Iterator[RayCluster]:
    """Two machines, and a head whose state outlives its process."""
    with (
        short_folder() as folder,
        ray_cluster(RAY_gcs_storage="rocksdb", RAY_gcs_storage_path=str(folder)) as cluster,
    ):
        cluster.add("a")
        cluster.add("b")
        yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with cluster_with_storage() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kills(cluster: RayCluster) -> Iterator[Command]:
    with up(cluster, "kills", TOPOLOGY) as command:
        until_served(command, *CLIENTS)
        yield command


def until_served(command: Command, *clients: str, times: int = TIMES) -> list[str]:
    """Read until some clients have been served so often in a row; all that was said meanwhile."""
    streaks = dict.fromkeys(clients, 0)
    begin = len(command.said)

    def all_served(line: str) -> bool:
        name = line.split("-1")[0]
        if name in streaks:
            streaks[name] = streaks[name] + 1 if "ok True" in line else 0
        return all(streak >= times for streak in streaks.values())

    command.until(all_served)
    return command.said[begin:]


def errors_of(lines: list[str], client: str) -> list[str]:
    return [line for line in lines if line.startswith(client) and "error" in line]


def process_of(command: Command, node: str) -> int:
    return next(int(str(n["process_id"])) for n in command.nodes() if n["name"] == node)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def keeper_of(cluster: RayCluster) -> int | None:
    """The process of the keeper, if there is one."""
    raylets = map(cluster.raylet, ("head", "a", "b"))
    for pid in (pid for raylet in raylets for pid in descendants(raylet)):
        with suppress(OSError):
            if "_KeeperActor" in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    return None


def is_trouble(line: str) -> bool:
    return " lost" in line or re.match(r"client\S+ .*error", line) is not None


def test_the_supervisor_of_a_node(kills: Command) -> None:
    node = process_of(kills, "b")
    os.kill(parent_of(node), signal.SIGKILL)
    kills.until(lambda line: "node b lost" in line)
    assert not errors_of(until_served(kills, *CLIENTS), "client-of-a")
    assert process_of(kills, "b") != node


def test_the_keeper_of_leases(kills: Command, cluster: RayCluster) -> None:
    before = {node["name"]: node["process_id"] for node in kills.nodes()}
    keeper = keeper_of(cluster)
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    said = until_served(kills, *CLIENTS, times=LONG)
    assert not any(is_trouble(line) for line in said), said
    assert {node["name"]: node["process_id"] for node in kills.nodes()} == before


def test_the_cluster_s_own_service_on_its_head(kills: Command, cluster: RayCluster) -> None:
    before = {node["name"]: node["process_id"] for node in kills.nodes()}
    os.kill(cluster.gcs(), signal.SIGKILL)
    said = until_served(kills, *CLIENTS, times=LONG)
    cluster.restart_gcs()
    said += until_served(kills, *CLIENTS, times=LONG)
    assert not any(is_trouble(line) for line in said), said
    assert {node["name"]: node["process_id"] for node in kills.nodes()} == before
    cluster.add("c")
    kills.until(lambda _: any(node["name"] == "c" for node in kills.nodes()))


def test_the_raylet_of_a_machine(kills: Command, cluster: RayCluster) -> None:
    os.kill(cluster.raylet("b"), signal.SIGKILL)
    kills.until(lambda line: "node b lost" in line)
    assert not errors_of(until_served(kills, "client-of-a"), "client-of-a")
    cluster.kill("b")
    cluster.add("b")
    until_served(kills, *CLIENTS)
