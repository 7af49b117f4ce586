"""A Ray cluster of several nodes on this machine, each with processes of its own.

Small on purpose: few logical processors, small object stores, no dashboard, a token of its own. It
is run by a process of its own (`python -m tests.support.ray_cluster`), since Ray looks for its
token once only; that process does what lines of its standard input say.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STORE_BYTES = 80 << 20
PROCESSORS = 4


class RayCluster:
    """A head without processors, and nodes that come and go."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process = process
        self.environment = environment
        """For processes that take part."""
        self.address = self._answer()

    def add(self, name: str) -> None:
        """Have one more node; its label `zone` is its name, too."""
        self._tell(f"add {name}")

    def kill(self, name: str) -> None:
        """End a node as a machine that loses power does, but for what it has started."""
        self._tell(f"kill {name}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                return line.removeprefix("> ").strip()
        raise AssertionError("the cluster has ended")


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Have a cluster while the block lasts."""
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        yield RayCluster(process, environment)
    finally:
        process.communicate()


def _serve() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
        },
    )
    nodes = {}
    _say(cluster.address)
    try:
        for line in sys.stdin:
            verb, name = line.split()
            if verb == "add":
                labels = {"podnet-node": name, "zone": name}
                nodes[name] = cluster.add_node(
                    num_cpus=PROCESSORS, object_store_memory=STORE_BYTES, labels=labels
                )
            else:
                cluster.remove_node(nodes.pop(name), allow_graceful=False)
            _say("done")
    finally:
        cluster.shutdown()


def _say(text: str) -> None:
    sys.stdout.write(f"> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
