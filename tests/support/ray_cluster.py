"""A Ray cluster of several nodes on this machine, each with processes of its own.

Small on purpose: few logical processors, small object stores, no dashboard, a token that nobody else
has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ray.cluster_utils import Cluster

from tests.support.environment import changed_environment

if TYPE_CHECKING:
    from ray._private.node import Node

STORE_BYTES = 80 << 20
PROCESSORS = 4


class RayCluster:
    """A head without processors, and nodes that come and go."""

    def __init__(self) -> None:
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": STORE_BYTES,
                "include_dashboard": False,
            },
        )
        self._nodes: dict[str, Node] = {}

    @property
    def address(self) -> str:
        address: str = self._cluster.address
        return address

    def add(self, name: str) -> None:
        self._nodes[name] = self._cluster.add_node(
            num_cpus=PROCESSORS,
            object_store_memory=STORE_BYTES,
            labels={"podnet-node": name, "zone": name},
        )

    def kill(self, name: str) -> None:
        """End a node as a machine that loses power does, but for what it has started."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    token = secrets.token_hex(32)
    changes = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with changed_environment(changes):
        cluster = RayCluster()
        try:
            yield cluster
        finally:
            cluster.shutdown()
