"""What holds of every decision, whatever is asked for."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.placement import (
    Demand,
    NodeOffer,
    Placement,
    Reason,
    ServiceRules,
    Traffic,
    cut_of,
    place,
)
from orchestrator.placement.rules import satisfies
from orchestrator.topology.placement_values import Constraint, Strategy

SERVICES = ["web", "api", "db", "log"]
ZONES = ["x", "y"]

offers = st.lists(
    st.builds(
        NodeOffer,
        name=st.sampled_from(["a", "b", "c", "d", "e"]),
        cpus=st.sampled_from([1.0, 2.5, 8.0]),
        memory_bytes=st.integers(0, 4096),
        pods_most=st.integers(1, 12),
        labels=st.fixed_dictionaries({}, optional={"zone": st.sampled_from(ZONES)}),
        cordoned=st.booleans(),
        draining=st.booleans(),
    ),
    unique_by=lambda offer: offer.name,
    max_size=5,
)
rules = st.fixed_dictionaries(
    {
        service: st.builds(
            ServiceRules,
            constraints=st.lists(
                st.builds(
                    Constraint, st.just("node.labels.zone"), st.sampled_from(ZONES), st.booleans()
                ),
                max_size=1,
            ).map(tuple),
            spread_over=st.sampled_from([(), ("node.labels.zone",)]),
            replicas_most=st.none() | st.integers(1, 3),
            strategy=st.sampled_from(Strategy),
        )
        for service in SERVICES
    }
)
traffic = st.dictionaries(
    st.sampled_from([*combinations(sorted(SERVICES), 2)]), st.floats(0.1, 100), max_size=6
)


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    made = []
    for service in SERVICES:
        cpus = draw(st.sampled_from([0.0, 0.1, 1.0]))
        memory = draw(st.integers(0, 2048))
        made += [
            Demand(pod=f"{service}-{number}", service=service, cpus=cpus, memory_bytes=memory)
            for number in range(1, draw(st.integers(0, 5)) + 1)
        ]
    return made


def check(
    placement: Placement,
    asked: list[Demand],
    nodes: list[NodeOffer],
    of: dict[str, ServiceRules],
    current: dict[str, str],
) -> None:
    by_name = {node.name: node for node in nodes}
    where = placement.nodes
    assert sorted([*where, *(pod.demand.pod for pod in placement.unplaced)]) == sorted(
        demand.pod for demand in asked
    )
    for name, node in by_name.items():
        here = [demand for demand in asked if where.get(demand.pod) == name]
        assert len(here) <= node.pods_most
        assert sum(demand.cpus for demand in here) <= node.cpus + 1e-6
        assert sum(demand.memory_bytes for demand in here) <= node.memory_bytes
        for service, count in Counter(demand.service for demand in here).items():
            assert all(satisfies(node, each) for each in of[service].constraints)
            most = of[service].replicas_most
            assert most is None or count <= most
        assert not (here and node.draining)
        if node.cordoned:
            assert all(current.get(demand.pod) == name for demand in here)


@given(demands(), offers, rules, traffic)
def test_no_decision_breaks_a_rule(
    asked: list[Demand], nodes: list[NodeOffer], of: dict[str, ServiceRules], talk: Traffic
) -> None:
    check(place(asked, nodes, of, talk), asked, nodes, of, {})


@given(demands(), offers, rules, traffic, st.randoms(use_true_random=False))
def test_the_order_of_nodes_changes_nothing(
    asked: list[Demand],
    nodes: list[NodeOffer],
    of: dict[str, ServiceRules],
    talk: Traffic,
    luck: random.Random,
) -> None:
    shuffled = [*nodes]
    luck.shuffle(shuffled)
    assert place(asked, nodes, of, talk) == place(asked, shuffled, of, talk)


@given(demands(), offers, offers, rules, traffic)
def test_a_pod_that_can_stay_stays(
    asked: list[Demand],
    before: list[NodeOffer],
    after: list[NodeOffer],
    of: dict[str, ServiceRules],
    talk: Traffic,
) -> None:
    current = place(asked, before, of, talk).nodes
    moved = place(asked, after, of, talk, current=current)
    check(moved, asked, after, of, current)
    assert place(asked, after, of, talk, current=moved.nodes).nodes.items() >= moved.nodes.items()
    for pod in moved.placed:
        assert (pod.reason is Reason.STAYS) <= (current.get(pod.pod) == pod.node)


@given(demands(), offers, rules, traffic)
def test_whoever_has_no_node_is_kept_from_each_by_something(
    asked: list[Demand], nodes: list[NodeOffer], of: dict[str, ServiceRules], talk: Traffic
) -> None:
    for pod in place(asked, nodes, of, talk).unplaced:
        assert {obstacle.node for obstacle in pod.obstacles} == {node.name for node in nodes}
        assert all(obstacle.text for obstacle in pod.obstacles)


@given(demands(), offers, rules, traffic)
def test_the_cut_and_what_stays_on_nodes_make_up_all_traffic(
    asked: list[Demand], nodes: list[NodeOffer], of: dict[str, ServiceRules], talk: Traffic
) -> None:
    placement = place(asked, nodes, of, talk)
    where = placement.nodes
    for (first, second), weight in talk.items():
        pairs = [
            (one.pod, other.pod)
            for one in placement.placed
            for other in placement.placed
            if (one.service, other.service) == (first, second)
        ]
        crossing = sum(where[one] != where[other] for one, other in pairs)
        cut = sum(
            edge.weight for edge in cut_of(placement, talk) if edge.services == (first, second)
        )
        expected = weight * crossing / len(pairs) if pairs else 0.0
        assert abs(cut - expected) < 1e-6 * max(1.0, weight)
