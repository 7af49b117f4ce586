"""What a real Ray cluster cannot run is refused, with the reason: machines, and pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster_command import up
from tests.support.ray_cluster import PROCESSORS, RayCluster, ray_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

TOPOLOGY = """
name: refused
services:
  small:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
  large:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
    deploy: {replicas: 2, resources: {reservations: {cpus: 3}}}
"""
OTHER = "9.9.9"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RayCluster]:
    """A machine with this podnet and one with another."""
    other = tmp_path / f"podnet-{OTHER}.dist-info"
    other.mkdir()
    (other / "METADATA").write_text(f"Metadata-Version: 2.1\nName: podnet\nVersion: {OTHER}\n")
    with ray_cluster() as cluster:
        cluster.add("other", PYTHONPATH=str(tmp_path))
        cluster.add("a")
        yield cluster


def test_machines_and_pods_that_do_not_fit_are_refused_with_the_reason(
    cluster: RayCluster,
) -> None:
    with up(cluster, "refused", TOPOLOGY) as command:
        command.until_end()
    said = "".join(command.said)
    assert command.process.returncode == 1
    assert "Traceback" not in said
    assert f"cannot run pods: it has podnet {OTHER}" in said
    assert "install the same on both" in said
    assert re.search(r"large-[12], each asks for 3 cpus and 16M of memory", said)
    assert f"a: 1 of {PROCESSORS} cpus are free" in said
    assert "other:" not in said, "a machine that cannot run pods is no place for them"
