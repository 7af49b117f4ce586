"""A Ray cluster of several nodes on this machine, each with processes of its own.

Small on purpose: few logical processors, small object stores, no dashboard, a token of its own. It
is run by a process of its own (`python -m tests.support.ray_cluster`), since Ray looks for its
token once only; that process does what lines of its standard input say.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
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

    def add(self, name: str, **environment: str) -> None:
        """Have one more node; its label `zone` is its name, too.

        Args:
            name: The node's.
            environment: Variables of all that runs on it.
        """
        self._tell("add", name, json.dumps(environment))

    def kill(self, name: str) -> None:
        """End a node as a machine that loses power does, but for what it has started."""
        self._tell("kill", name)

    def raylet(self, name: str) -> int:
        """The id of a node's raylet."""
        return int(self._tell("raylet", name))

    def gcs(self) -> int:
        """The id of the cluster's own service."""
        return int(self._tell("gcs"))

    def restart_gcs(self) -> None:
        """Start the cluster's own service again, which has ended."""
        self._tell("restart")

    def _tell(self, *words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write("\t".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                return line.removeprefix("> ").strip()
        raise AssertionError("the cluster has ended")


@contextmanager
def ray_cluster(**variables: str) -> Iterator[RayCluster]:
    """Have a cluster while the block lasts.

    Args:
        variables: Of the environment of all its processes.
    """
    with tempfile.TemporaryDirectory(prefix="pn") as state:
        own = {
            "PODNET_STATE": state,  # others may run such nodes, too
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        with _running(os.environ | own | variables) as cluster:
            yield cluster


@contextmanager
def _running(environment: dict[str, str]) -> Iterator[RayCluster]:
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
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
        },
    )
    nodes = {"head": cluster.head_node}

    def pid_of(node: object, kind: str) -> str:
        return str(node.all_processes[kind][0].process.pid)  # type: ignore[attr-defined]

    _say(cluster.address)
    try:
        for line in sys.stdin:
            answer = "done"
            match line.rstrip("\n").split("\t"):
                case ["add", name, variables]:
                    nodes[name] = cluster.add_node(
                        num_cpus=PROCESSORS,
                        object_store_memory=STORE_BYTES,
                        labels={"podnet-node": name, "zone": name},
                        env_vars=json.loads(variables),
                    )
                case ["kill", name]:
                    cluster.remove_node(nodes.pop(name), allow_graceful=False)
                case ["raylet", name]:
                    answer = pid_of(nodes[name], ray_constants.PROCESS_TYPE_RAYLET)
                case ["restart"]:
                    cluster.head_node.kill_gcs_server(check_alive=False)
                    cluster.head_node.start_gcs_server()
                case ["gcs"]:
                    answer = pid_of(cluster.head_node, ray_constants.PROCESS_TYPE_GCS_SERVER)
            _say(answer)
    finally:
        cluster.shutdown()


def _say(text: str) -> None:
    sys.stdout.write(f"> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
