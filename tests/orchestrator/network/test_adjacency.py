from __future__ import annotations

from orchestrator.launch.reachable import reachable_names
from orchestrator.network.adjacency import NetworkMap, unreachable_services
from orchestrator.topology.problems import Severity
from tests.support.networks import addresses, plan_of, topology

CHAIN = topology(
    {
        "a": {"networks": ["n1"], "deploy": {"replicas": 2}},
        "r": {"networks": ["n1", "n2"], "router": True},
        "s": {"networks": ["n2", "n3"], "router": True},
        "b": {"networks": ["n2", "n3"]},
        "c": {"networks": ["n3"]},
        "x": {"networks": ["n4"]},
        "off": {"networks": ["n3", "n4"], "router": True, "deploy": {"replicas": 0}},
        "wall": {"networks": ["n3", "n4"]},
    },
    {f"n{n}": {"subnet": f"10.{n}.0.0/24"} for n in range(1, 5)},
)


def test_routers_lead_from_network_to_network() -> None:
    networks = NetworkMap(CHAIN)
    assert networks.names == ("n1", "n2", "n3", "n4")
    assert networks.reached("n1", "b") == ("n2", "n3")
    assert networks.reached("n3", "b") == ("n3", "n2")
    assert networks.reached("n1", "x") == ()


def test_services_that_nothing_joins_are_told() -> None:
    pairs = set(NetworkMap(CHAIN).unreachable())
    assert pairs == {(name, "x") for name in ("a", "r", "s", "b", "c")}
    assert not NetworkMap(topology({"a": {}, "b": {}})).unreachable()


def test_unreachable_services_are_a_warning_with_the_remedy() -> None:
    (problem,) = unreachable_services("t.yaml", CHAIN)
    assert problem.severity is Severity.WARNING
    assert "no packet can pass between a and x; r and x; " in problem.message
    assert '"router: true"' in problem.message
    many = topology(
        {f"s{n}x": {"networks": [f"n{n}x"]} for n in range(9)}, {f"n{n}x": {} for n in range(9)}
    )
    (problem,) = unreachable_services("t.yaml", many)
    assert "; 28 more pairs; if it should" in problem.message
    assert not [*unreachable_services("t.yaml", topology({"a": {}}))]


def test_names_are_known_where_routers_lead_with_the_nearest_address() -> None:
    plan = plan_of(CHAIN)
    (b,) = (pod for pod in plan.pods if pod.spec.name == "b-1")
    near, far = (interface.address for interface in b.spec.interfaces)
    found = {(name.network, name.name): name.address for name in b.names}
    assert found["n1", "b"] == found["n1", "b-1"] == found["n1", "b.n2"] == near
    assert found["n1", "b.n3"] == found["n1", "b-1.n3"] == far
    assert (found["n2", "b"], found["n3", "b"]) == (near, far)
    assert not [network for network, _ in found if network == "n4"]


def test_ready_pods_beyond_routers_are_found() -> None:
    plan = plan_of(CHAIN)
    names = reachable_names(plan, {})
    assert names["n3"]["a"] == []
    assert "a" not in names["n4"]
    known = {name.address for pod in plan.pods for name in pod.names if name.name == "a"}
    assert known == addresses(plan, "a-1", "a-2")
