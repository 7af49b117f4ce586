"""`deploy.placement` and `deploy.resources.reservations` in a topology file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.placement import ServiceRules, demands_of, service_rules, traffic_of
from orchestrator.placement.demands import POD_MEMORY_BYTES
from orchestrator.topology.loader import Reading, read_topology_bytes
from orchestrator.topology.placement_values import Constraint, Strategy, parse_constraint

HEAD = "name: t\nservices:\n  db: {image: a}\n  web: "


def read(web: str) -> Reading:
    return read_topology_bytes(f"{HEAD}{web}\n".encode(), "t.yaml", Path(), {})


def test_all_of_placement_is_read() -> None:
    reading = read(
        "{image: a, deploy: {replicas: 2, placement: {constraints: [node.labels.zone==a,"
        " 'node.hostname != x'], preferences: [{spread: node.labels.rack}],"
        " max_replicas_per_node: 1, strategy: pack, near: {db: 3}}}, depends_on: [db]}"
    )
    assert reading.topology is not None
    assert service_rules(reading.topology)["web"] == ServiceRules(
        constraints=(
            Constraint("node.labels.zone", "a"),
            Constraint("node.hostname", "x", equal=False),
        ),
        spread_over=("node.labels.rack",),
        replicas_most=1,
        strategy=Strategy.PACK,
    )
    assert traffic_of(reading.topology) == {("db", "web"): 4.0}
    dumped = reading.topology.model_dump(mode="json")
    assert type(reading.topology).model_validate(dumped) == reading.topology


@pytest.mark.parametrize(
    ("resources", "cpus", "memory"),
    [
        ("{}", 0.0, POD_MEMORY_BYTES),
        ("{limits: {memory: 64M, cpus: 0.5}}", 0.5, 64 << 20),
        ("{limits: {memory: 64M, cpus: 0.5}, reservations: {memory: 8M, cpus: 0.1}}", 0.1, 8 << 20),
    ],
)
def test_a_pod_asks_for_its_reservation_else_its_limit_else_a_little(
    resources: str, cpus: float, memory: int
) -> None:
    reading = read(f"{{image: a, deploy: {{resources: {resources}}}}}")
    assert reading.topology is not None
    web = demands_of(reading.topology)[1]
    assert (web.cpus, web.memory_bytes) == (cpus, memory)


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ("{constraints: [zone==a]}", 'unknown attribute "zone"'),
        ("{constraints: [node.role==manager]}", "nodes have no roles"),
        ("{constraints: [node.labels.zone=a]}", "expected a constraint such as"),
        ("{preferences: [{spread: node.hostname}]}", "spread over a label"),
        ("{max_replicas_per_node: 0}", "between 1 and"),
        ("{strategy: random}", "spread"),
        ("{near: [dbb]}", 'unknown service "dbb"'),
        ("{near: [web]}", "near itself"),
        ("{near: {db: 0}}", "between"),
        ("{platforms: []}", "not yet supported"),
    ],
)
def test_mistakes_are_named_where_they_are(placement: str, message: str) -> None:
    reading = read(f"{{image: a, deploy: {{placement: {placement}}}}}")
    assert len(reading.errors) == 1
    assert message in str(reading.errors[0])
    assert str(reading.errors[0]).startswith("t.yaml:4:")


@given(st.text(max_size=40))
def test_any_text_is_a_constraint_or_refused(text: str) -> None:
    try:
        constraint = parse_constraint(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_constraint(str(constraint)) == constraint
