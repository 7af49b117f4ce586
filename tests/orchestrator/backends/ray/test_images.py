"""Images on a real Ray cluster: machines with caches of their own, of which one prepares.

The first test is the one with a real Ray that `make test` runs, too: pods on two machines, an image
that goes from one to the other, requests between them, and an end that leaves nothing.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster_command import up
from tests.support.lab import python_image
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.serving import short_folder
from tests.support.up import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TOPOLOGY = """
name: given
services:
  web:
    image: python
    command: [python, -m, http.server, "8000"]
    working_dir: /site
    volumes: [".:/site:ro"]
    healthcheck: {tcp: ":8000", interval: 500ms, start_period: 60s}
    deploy: {placement: {constraints: ["node.labels.zone==a"]}}
  client:
    image: python
    command:
      - python
      - -u
      - -c
      - |
        import time, urllib.request
        print("served", len(urllib.request.urlopen("http://web:8000/", timeout=30).read()) > 0)
        time.sleep(86400)
    depends_on: {web: {condition: service_healthy}}
    deploy: {placement: {constraints: ["node.labels.zone==b"]}}
"""
CARRYING = (sys.executable, "-m", "tests.support.ray_carrying")


def copy_prepared(cache: Path) -> None:
    """Put into a cache what preparing the image has left here, but not the module."""
    image = python_image()
    for path in (image.artifact, image.artifact.with_suffix(".json")):
        (cache / "compiled").mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(path, cache / "compiled")
    for mount in image.mounts:
        if mount.source.parent.name == "layers":
            shutil.copytree(mount.source, cache / "layers" / mount.source.name)
    (cache / "layers").chmod(0o700)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".json"
    }


@pytest.fixture(scope="module")
def caches() -> Iterator[Path]:
    with short_folder() as folder:
        copy_prepared(folder / "a")
        yield folder


@pytest.fixture(scope="module")
def cluster(caches: Path) -> Iterator[RayCluster]:
    """Two machines; the second has no cache yet, and reaches no source of modules."""
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    with ray_cluster() as cluster:
        cluster.add("a", PODNET_CACHE=str(caches / "a"))
        cluster.add("b", PODNET_CACHE=str(caches / "b"), **unreachable)
        yield cluster


def test_a_machine_gets_the_image_of_another_and_fetches_and_compiles_nothing(
    cluster: RayCluster, caches: Path
) -> None:
    with up(cluster, "given", TOPOLOGY) as command:
        command.until(lambda line: line.startswith("client-1") and "served True" in line)
        assert command.nodes_of("given") == {"web-1": "a", "client-1": "b"}
        processes = [int(str(node["process_id"])) for node in command.nodes()]
        command.process.send_signal(signal.SIGINT)
        command.until_end()
    assert command.process.returncode == 130
    assert not any(map(runs, processes))
    said = "".join(command.said)
    assert "image python: receiving from node a" in said
    assert "compiling" not in said
    assert "fetching" not in said
    assert "its own sources" not in said
    assert not list((caches / "b" / "modules").glob("*"))
    compiled = python_image().artifact
    assert (caches / "b" / "compiled" / compiled.name).read_bytes() == compiled.read_bytes()
    assert files(caches / "b" / "layers") == files(caches / "a" / "layers") != {}


@pytest.mark.cluster
def test_what_was_changed_on_the_way_is_refused_with_a_message(
    cluster: RayCluster, caches: Path
) -> None:
    shutil.rmtree(caches / "b", ignore_errors=True)
    with short_folder() as state:
        done = subprocess.run(
            [*CARRYING, cluster.address, str(state), "python"],
            capture_output=True,
            text=True,
            env=cluster.environment | {"PODNET_STATE": str(state)},
        )
    assert done.returncode == 0, done.stderr
    changed, stranger, honest = map(json.loads, done.stdout.splitlines())
    assert "wrong digest" in changed["failed"]
    assert "no seal of this deployment" in stranger["failed"]
    assert not changed["has"]
    assert not stranger["has"]
    assert honest["failed"] == ""
    assert honest["has"]
    assert len(honest["told"]) > 1, "it came in pieces"
