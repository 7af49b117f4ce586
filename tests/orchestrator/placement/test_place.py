"""The decision which pod runs on which node."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.placement import (
    NoRoomError,
    Placement,
    Reason,
    ServiceRules,
    cut_of,
    place,
)
from orchestrator.topology.placement_values import Strategy, parse_constraint
from tests.support.placing import no_rules, offer, pods

THREE = [offer("a"), offer("b"), offer("c")]


def spread(placement: Placement, service: str) -> Counter[str]:
    return Counter(pod.node for pod in placement.placed if pod.service == service)


def test_replicas_are_spread_evenly_over_equal_nodes() -> None:
    web = pods("web", 6)
    placement = place(web, THREE, no_rules(web), {})
    assert spread(placement, "web") == {"a": 2, "b": 2, "c": 2}


def test_services_that_talk_to_each_other_are_put_on_one_node() -> None:
    chains = [pod for name in ("a1", "a2", "a3", "b1", "b2", "b3") for pod in pods(name, 1)]
    traffic = {pair: 5.0 for pair in (("a1", "a2"), ("a2", "a3"), ("b1", "b2"), ("b2", "b3"))} | {
        ("a1", "b1"): 0.5
    }
    placement = place(chains, [offer("a"), offer("b")], no_rules(chains), traffic)
    nodes = placement.nodes
    assert nodes["a1-1"] == nodes["a2-1"] == nodes["a3-1"]
    assert nodes["b1-1"] == nodes["b2-1"] == nodes["b3-1"]
    assert nodes["a1-1"] != nodes["b1-1"]
    assert [(edge.services, edge.weight) for edge in cut_of(placement, traffic)] == [
        (("a1", "b1"), 0.5)
    ]


def test_a_lone_pod_goes_to_the_node_with_the_most_room() -> None:
    placement = place(
        pods("web", 1), [offer("a", cpus=1), offer("b", cpus=8)], {"web": ServiceRules()}, {}
    )
    assert placement.nodes == {"web-1": "b"}
    assert placement.placed[0].reason is Reason.FREE


@pytest.mark.parametrize(
    ("constraint", "nodes"),
    [
        ("node.labels.zone==x", {"a"}),
        ("node.labels.zone!=x", {"b", "c"}),
        ("node.hostname!=host-a", {"b", "c"}),
        ("node.id==b", {"b"}),
        ("node.platform.os==linux", {"a", "b", "c"}),
    ],
)
def test_constraints_are_honoured(constraint: str, nodes: set[str]) -> None:
    web = pods("web", 6)
    offers = [offer("a", zone="x"), offer("b", zone="y"), offer("c")]
    rules = {"web": ServiceRules(constraints=(parse_constraint(constraint),))}
    assert set(spread(place(web, offers, rules, {}), "web")) == nodes


def test_replicas_are_spread_over_the_values_of_a_label_before_nodes() -> None:
    web = pods("web", 4)
    offers = [
        offer("a", zone="x"),
        offer("b", zone="x"),
        offer("c", zone="x"),
        offer("d", zone="y"),
    ]
    rules = {"web": ServiceRules(spread_over=("node.labels.zone",))}
    placement = place(web, offers, rules, {})
    assert spread(placement, "web")["d"] == 2


def test_max_replicas_per_node_leaves_pods_without_a_node() -> None:
    web = pods("web", 4)
    placement = place(web, THREE, {"web": ServiceRules(replicas_most=1)}, {})
    assert spread(placement, "web") == {"a": 1, "b": 1, "c": 1}
    text = str(NoRoomError("shop", placement.unplaced))
    assert "1 pod can be on no node" in text
    assert "a: it has 1 of web already, and max_replicas_per_node is 1" in text


def test_packed_pods_fill_one_node_after_the_other() -> None:
    web = pods("web", 6, memory=100)
    offers = [offer("a", memory=400), offer("b", memory=400), offer("c", memory=400)]
    rules = {"web": ServiceRules(strategy=Strategy.PACK)}
    assert spread(place(web, offers, rules, {}), "web") == {"a": 4, "b": 2}


def test_pods_stay_where_they_are_when_a_node_joins() -> None:
    web = pods("web", 4)
    first = place(web, THREE[:2], no_rules(web), {})
    second = place(web, THREE, no_rules(web), {}, current=first.nodes)
    assert second.nodes == first.nodes
    assert {pod.reason for pod in second.placed} == {Reason.STAYS}


def test_pods_leave_a_node_that_is_drained_and_stay_on_one_that_is_cordoned() -> None:
    web = pods("web", 4)
    current = {"web-1": "a", "web-2": "b", "web-3": "b", "web-4": "c"}
    offers = [offer("a", draining=True), offer("b", cordoned=True), offer("c")]
    nodes = place(web, offers, no_rules(web), {}, current=current).nodes
    assert nodes == {"web-1": "c", "web-2": "b", "web-3": "b", "web-4": "c"}


def test_a_message_says_what_is_asked_for_and_what_each_node_lacks() -> None:
    big = pods("big", 5, cpus=3, memory=512)
    placement = place(big, [offer("a"), offer("b", cordoned=True)], no_rules(big), {})
    assert len(placement.placed) == 1
    text = str(NoRoomError("shop", placement.unplaced))
    assert "4 pods can be on no node" in text
    assert "big-2, big-3, big-4, big-5, each asks for 3 cpus and 512M of memory" in text
    assert "a: 1 of 4 cpus are free" in text
    assert "b: it is cordoned" in text


def test_without_any_node_the_message_says_so() -> None:
    web = pods("web", 1)
    placement = place(web, [], no_rules(web), {})
    assert "there is no node" in str(NoRoomError("shop", placement.unplaced))


def test_large_pods_come_first_where_small_ones_would_take_their_room() -> None:
    small, large = pods("small", 4, memory=256), pods("large", 2, memory=768)
    demands = [*small, *large]
    offers = [offer("a", memory=1024), offer("b", memory=1024), offer("c", memory=512)]
    placement = place(demands, offers, no_rules(demands), {})
    assert not placement.unplaced


def test_no_node_gets_more_pods_than_its_memory_maps_allow() -> None:
    web = pods("web", 5)
    placement = place(web, [offer("a", pods=3)], no_rules(web), {})
    assert len(placement.placed) == 3
    assert "3 pods at most" in placement.unplaced[0].obstacles[0].text
