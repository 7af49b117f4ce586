"""What several nodes on a Ray cluster cost: booting many pods, and losing a machine.

Pods listen and have a health check; all of them are there when all are healthy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.builds import pod_program
from tests.bench.rows import Bound, Row
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.serving import short_folder

NODES = ("a", "b", "c", "d")
FEW, MANY, LOST = 4, 1000, 100
POLL_S = 0.2
LOSS_S = 10.0
INTERVAL = "30s"
"""Between checks; those of a pod that starts come sooner."""


class Deployment:
    """One deployment of idle pods, in the background."""

    def __init__(self, folder: Path, environment: dict[str, str], *options: str) -> None:
        self._folder = folder
        self._environment = environment | {"PODNET_STATE": str(folder)}
        self._options = options

    def scale(self, replicas: int) -> float:
        """Have so many pods; the seconds until all of them are healthy."""
        service = {
            "image": str(pod_program("idle")),
            "command": ["idle", "serve", "80"],
            "healthcheck": {"tcp": ":80", "interval": INTERVAL},
            "deploy": {"replicas": replicas},
        }
        topology = {"name": "many", "services": {"pod": service}}
        file = self._folder / "many.yaml"
        file.write_text(json.dumps(topology))
        began = time.monotonic()
        self.podnet("up", "-d", str(file), *self._options)
        while len(self.healthy()) < replicas:
            time.sleep(POLL_S)
        return time.monotonic() - began

    def healthy(self) -> list[dict[str, object]]:
        """The pods that are."""
        rows = json.loads(self.podnet("ps", "many", "--format", "json"))
        return [row for row in rows if row["status"] == "healthy"]

    def podnet(self, *words: str) -> str:
        command = [sys.executable, "-m", "orchestrator.cli.main", *words]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout


@contextmanager
def deployment(environment: dict[str, str], *options: str) -> Iterator[Deployment]:
    with short_folder() as folder:
        running = Deployment(folder, environment, *options)
        running.scale(FEW)
        try:
            yield running
        finally:
            running.podnet("down", "many")


def measure() -> list[Row]:
    with deployment(dict(os.environ)) as embedded:
        baseline = embedded.scale(MANY)
    with ray_cluster() as cluster:
        for name in NODES:
            cluster.add(name)
        with deployment(cluster.environment, "--ray", cluster.address) as spread:
            value = spread.scale(MANY)
        with deployment(cluster.environment, "--ray", cluster.address) as spread:
            spread.scale(LOST)
            lost = _lose(spread, cluster)
    return [
        Row(
            name=f"{MANY} healthy pods over {len(NODES)} Ray nodes, cost of each",
            unit="ms",
            value=value / (MANY - FEW) * 1e3,
            baseline=baseline / (MANY - FEW) * 1e3,
            bound=Bound(1.5, at_least=False),
            note='"podnet up -d" from 4 pods to 1000, until all are healthy; baseline: one node, '
            "embedded",
        ),
        Row(
            name=f"A Ray node of {len(NODES)} lost, {LOST} pods healthy again",
            unit="s",
            value=lost,
            bound=Bound(LOSS_S, at_least=False),
            note="from the kill of its raylet; a lease of 5 s is part of it",
        ),
    ]


def _lose(spread: Deployment, cluster: RayCluster) -> float:
    """Kill a machine; the seconds until all pods are healthy, some of them for the second time."""
    began = time.monotonic()
    cluster.kill(NODES[-1])
    while True:
        healthy = spread.healthy()
        if len(healthy) == LOST and any(pod["restarts"] for pod in healthy):
            return time.monotonic() - began
        time.sleep(POLL_S)
