"""`podnet plan`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.plan import command
from orchestrator.cluster.traffic_record import keep_traffic
from orchestrator.placement import MeasuredTraffic

TOPOLOGY = """
name: t
services:
  web: {image: a.wasm, deploy: {replicas: 2}, depends_on: [db]}
  db: {image: a.wasm, deploy: {resources: {reservations: {memory: 1G}},
                               placement: {constraints: [node.labels.disk==ssd]}}}
"""


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path / "state"))
    file = tmp_path / "t.yaml"
    file.write_text(TOPOLOGY)
    return str(file)


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_a_plan_says_where_each_pod_goes_and_why_and_what_crosses(topology: str) -> None:
    result = plan(topology, "--node", "a,cpus=2,memory=2G,disk=ssd", "--node", "b,memory=2G")
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=2) for line in result.output.splitlines()]
    assert ["db-1", "a", "the only node that it may be on"] in lines
    assert {line[1] for line in lines if line and line[0].startswith("web-")} == {"a", "b"}
    assert "db - web" in result.output


def test_a_pod_without_a_node_is_an_error_that_says_what_is_missing(topology: str) -> None:
    result = plan(topology, "--nodes", "2")
    assert result.exit_code == 1
    assert "db-1, each asks for 1G of memory" in result.output
    assert "node.labels.disk is not set, node.labels.disk==ssd is asked for" in result.output


def test_a_plan_says_what_was_measured_and_what_it_weighs(topology: str, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "t"
    folder.mkdir(parents=True)
    measured = {("db", "web"): 3072.0, ("gone", "web"): 9e9, ("api", "db"): 12.0}
    keep_traffic(folder, MeasuredTraffic(bytes=measured, read_at=1.0))
    wanted = (topology, "--node", "a,cpus=2,memory=2G,disk=ssd", "--node", "b,memory=2G")
    lines = [line.split() for line in plan(*wanted).output.splitlines()]
    assert ["SERVICES", "DECLARED", "MEASURED", "BYTES", "WEIGHT"] in lines
    assert ["db", "-", "web", "1.00", "1.00", "3k", "2.00"] in lines
    assert ["db", "-", "web", "a", "-", "b", "1.00"] in lines, "one of two replicas is elsewhere"
    declared = [line.split() for line in plan(*wanted, "--declared").output.splitlines()]
    assert ["db", "-", "web", "1.00", "-", "-", "1.00"] in declared
    (edge,) = json.loads(plan(*wanted, "--format", "json").output)["traffic"]
    assert edge == {
        "services": ["db", "web"],
        "declared": 1.0,
        "measured": 1.0,
        "measured_bytes": 3072,
    }


def test_programs_get_json(topology: str) -> None:
    result = plan(topology, "--node", "a,disk=ssd", "--format", "json")
    found = json.loads(result.output)
    assert {pod["node"] for pod in found["placement"]["placed"]} == {"a"}


@pytest.mark.parametrize("node", ["", "cpus=2", "a,cpus", "a,cpus=x", "a,memory=9", "a,pods=x"])
def test_a_node_that_cannot_be_understood_is_a_usage_error(topology: str, node: str) -> None:
    assert plan(topology, "--node", node).exit_code == 2
