"""What several nodes on a Ray cluster cost: booting many pods, and losing a machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.rows import Bound, Row
from tests.support.fleets import sleeper
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.serving import short_folder

NODES = ("a", "b", "c", "d")
FEW, MANY, LOST = 4, 1000, 100
POLL_S = 0.2
LOSS_S = 10.0


class Deployment:
    """One deployment of sleeping pods, in the background."""

    def __init__(self, folder: Path, environment: dict[str, str], *options: str) -> None:
        self._folder = folder
        self._environment = environment | {"PODNET_STATE": str(folder)}
        self._options = options

    def scale(self, replicas: int) -> float:
        """Have so many pods; the seconds until all of them run."""
        image = sleeper(self._folder).removeprefix("file:")
        topology = {
            "name": "many",
            "services": {"pod": {"image": image, "deploy": {"replicas": replicas}}},
        }
        file = self._folder / "many.yaml"
        file.write_text(json.dumps(topology))
        began = time.monotonic()
        self.podnet("up", "-d", str(file), *self._options)
        while self.running() < replicas:
            time.sleep(POLL_S)
        return time.monotonic() - began

    def running(self) -> int:
        rows = json.loads(self.podnet("ps", "many", "--format", "json"))
        return sum(row["status"] == "running" for row in rows)

    def restarted(self) -> int:
        rows = json.loads(self.podnet("ps", "many", "--format", "json"))
        return sum(row["restarts"] > 0 and row["status"] == "running" for row in rows)

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
            name=f"{MANY} pods over {len(NODES)} Ray nodes, cost of each",
            unit="ms",
            value=value / (MANY - FEW) * 1e3,
            baseline=baseline / (MANY - FEW) * 1e3,
            bound=Bound(1.5, at_least=False),
            note='"podnet up -d" from 4 pods to 1000, until all run; baseline: one embedded node',
        ),
        Row(
            name=f"A Ray node of {len(NODES)} lost, {LOST} pods run again",
            unit="s",
            value=lost,
            bound=Bound(LOSS_S, at_least=False),
            note="from the kill of its raylet; a lease of 5 s is part of it",
        ),
    ]


def _lose(spread: Deployment, cluster: RayCluster) -> float:
    """Kill a machine; the seconds until all pods run again, some of them for the second time."""
    began = time.monotonic()
    cluster.kill(NODES[-1])
    while not spread.restarted() or spread.running() < LOST:
        time.sleep(POLL_S)
    return time.monotonic() - began
