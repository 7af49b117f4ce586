"""Pods of a real Ray cluster never reach what runs them, whatever `egress` says."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.cluster.guarding import REASON
from orchestrator.cluster.listening import ephemeral_ports, listening_ports
from tests.support.cluster_command import up
from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.up import descendants

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

ACCESS_DENIED = 2
"""EACCES as WASI numbers it."""
TOPOLOGY = """
name: guarded
services:
  pod: {{image: python, command: [python, -u, -c, "print('runs'); import time; time.sleep(86400)"]}}
egress:
  - {{service: pod, allow: ["{host}:*", "0.0.0.0/0:*"]}}
"""
DIAL = """
import socket, sys
for word in sys.argv[1:]:
    host, _, port = word.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=20).close()
        print("reached", word)
    except OSError as error:
        print("failed", word, error.errno)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        cluster.add("a")
        yield cluster


@contextmanager
def serving() -> Iterator[int]:
    """Somebody else's server on this machine, on a port that nobody is given by chance."""
    low, _ = ephemeral_ports()
    for port in range(low - 1, 1024, -1):
        try:
            server = socket.create_server(("0.0.0.0", port))
        except OSError:
            continue
        with server:
            threading.Thread(target=_accept, args=(server,), daemon=True).start()
            yield port
            server.shutdown(socket.SHUT_RDWR)
        return


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def test_no_port_of_ray_or_podnet_is_reached_and_others_are(cluster: RayCluster) -> None:
    host, _, gcs = cluster.address.rpartition(":")
    with serving() as free, up(cluster, "guarded", TOPOLOGY.format(host=host)) as command:
        command.until(lambda line: line.rstrip().endswith("runs"))
        raylet = cluster.raylet("a")
        (node,) = command.nodes()
        node_ports = listening_ports([int(str(node["process_id"]))])
        assert len(node_ports) == 2, "for orders and for the trunk"
        ports = listening_ports([raylet, cluster.gcs(), *descendants(raylet)])
        assert {int(gcs), *node_ports} < set(ports)
        guarded = [f"{host}:{port}" for port in ports]
        free_for_all = [f"{host}:{free}"]
        dial = ("exec", "pod-1", "--", "python", "-c", DIAL)
        said = command.podnet(*dial, *guarded, *free_for_all)
        events = command.podnet("events", "--format", "json", "--since", "1h", "--until", "0s")
    assert re.findall(r"reached (\S+)", said) == free_for_all
    assert re.findall(r"failed (\S+) (\d+)", said) == [
        (word, str(ACCESS_DENIED)) for word in guarded
    ]
    assert REASON in events
