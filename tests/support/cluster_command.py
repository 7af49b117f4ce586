"""`podnet` on a real Ray cluster, as a person runs it, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ray_cluster import RayCluster
from tests.support.serving import short_folder

PODNET = (sys.executable, "-m", "orchestrator.cli.main")


class Command:
    """`podnet up --ray`, and other commands beside it."""

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, environment: dict[str, str]
    ) -> None:
        self.process = process
        self.folder = folder
        self.environment = environment
        self.said: list[str] = []

    def until(self, condition: Callable[[str], bool]) -> str:
        """Read lines until one is as expected; return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if condition(line):
                return line
        raise AssertionError("it ended first:\n" + "".join(self.said[-40:]))

    def until_end(self) -> None:
        """Read until it ends."""
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)
        self.process.wait()

    def podnet(self, *words: str) -> str:
        """Run another command; what it printed."""
        done = subprocess.run(
            [*PODNET, *words], capture_output=True, text=True, env=self.environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def nodes_of(self, deployment: str) -> dict[str, str]:
        """Each pod's node."""
        rows = json.loads(self.podnet("ps", deployment, "--format", "json"))
        return {row["name"]: row["machine"] for row in rows}

    def nodes(self) -> list[dict[str, object]]:
        """The nodes."""
        found: list[dict[str, object]] = json.loads(self.podnet("node", "ls", "--format", "json"))
        return found


@contextmanager
def up(cluster: RayCluster, name: str, topology: str) -> Iterator[Command]:
    """Run `podnet up --ray` on a topology while the block lasts."""
    with short_folder() as folder:
        file = folder / f"{name}.yaml"
        file.write_text(topology)
        environment = cluster.environment | {
            "PODNET_STATE": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [*PODNET, "up", str(file), "--ray", cluster.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        try:
            yield Command(process, folder, environment)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            process.wait()
