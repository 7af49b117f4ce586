"""Which ports are Ray's, by command lines and by looking at real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from orchestrator.backends.ray.ports import (
    DEFAULT_WORKERS,
    port_numbers,
    ray_ports,
    unseen_ports,
    worker_ports,
)
from orchestrator.cluster.listening import ephemeral_ports, listening_ports, machine_addresses


@pytest.mark.parametrize(
    ("command", "ports"),
    [
        ("raylet --min_worker_port=10002 --max_worker_port=19999", (DEFAULT_WORKERS,)),
        ("raylet --min_worker_port=20000 --max_worker_port=0", ((20_000, 65_535),)),
        ("raylet --min_worker_port=0 --max_worker_port=0", (ephemeral_ports(),)),
        ("raylet", (ephemeral_ports(),)),
        ("raylet --worker_port_list=7001,7002", ((7001, 7001), (7002, 7002))),
    ],
)
def test_the_ports_that_workers_may_have(command: str, ports: tuple[tuple[int, int], ...]) -> None:
    assert worker_ports(command) == ports


def test_a_machine_that_nobody_can_look_at_keeps_all_that_ray_takes() -> None:
    ports = unseen_ports((6379, 0))
    assert {(6379, 6379), DEFAULT_WORKERS, ephemeral_ports()} <= set(ports)
    assert (0, 0) not in ports


def test_a_cluster_tells_ports_among_other_things() -> None:
    node = {"NodeID": "x", "NodeManagerPort": 1, "ObjectManagerPort": 2, "Alive": True}
    assert port_numbers(node) == (1, 2)


def test_processes_of_a_session_and_what_they_started_are_found() -> None:
    listen = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {listen!r}], check=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent, "--session=session_for_this_test"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, socket.create_server(("127.0.0.1", 0)) as own:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = ray_ports("session_for_this_test")
        assert (port, port) in found
        assert (own.getsockname()[1],) * 2 not in found
        assert (port, port) not in ray_ports("session_of_somebody_else")


def test_a_machine_knows_its_addresses_and_who_listens() -> None:
    assert not any(text.startswith("127.") for text in machine_addresses())
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert own.getsockname()[1] in listening_ports([os.getpid()])
    assert listening_ports([2**22 + 1]) == ()
