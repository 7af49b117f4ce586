from __future__ import annotations

from ipaddress import IPv4Network
from itertools import pairwise

import networkx as nx
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.network.changes import Part, SetLink
from orchestrator.network.impairments import Impairments
from orchestrator.topology.link_options import parse_change
from orchestrator.topology.schema import Topology
from tests.support.networks import addresses, plan_of, pods_of, topology, ways
from vnet.checks import check
from vnet.configuration import (
    HOPS_MOST,
    AddressBlock,
    Denial,
    Direction,
    Egress,
    EgressLimits,
    FaultKind,
    LinkParameters,
    NetworkConfiguration,
    PolicyRule,
    PortRange,
)
from vnet.gateway import parse_rule

MS = 1_000_000
calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

NETWORKS = {"front": {"subnet": "10.1.0.0/24"}, "back": {"subnet": "10.2.0.0/24"}}


def configured(
    declared: Topology, *, down: tuple[str, ...] = (), changes: tuple[SetLink | Part, ...] = ()
) -> NetworkConfiguration:
    impairments, plan = Impairments(declared), plan_of(declared)
    for change in changes:
        impairments.apply(change, 0)
    return impairments.configuration(plan, pods_of(plan) - {*down})


def routed(replicas: int = 1, **sections: list[dict[str, object]]) -> Topology:
    return topology(
        {
            "web": {"networks": ["front"], "deploy": {"replicas": 2}},
            "gw": {
                "networks": ["front", "back"],
                "router": True,
                "deploy": {"replicas": replicas},
            },
            "api": {"networks": ["back"], "deploy": {"replicas": 2}},
        },
        NETWORKS,
        **sections,
    )


def test_a_topology_without_links_is_groups_and_nothing_else() -> None:
    declared = topology({"web": {"deploy": {"replicas": 2}}, "none": {"deploy": {"replicas": 0}}})
    configuration = configured(declared)
    (group,) = configuration.groups
    assert (group.name, group.network, group.access) == ("web@default", "default", None)
    assert set(group.interfaces) == addresses(plan_of(declared), "web-1", "web-2")
    assert configuration == NetworkConfiguration(groups=(group,))


def test_seed_and_gateway_follow_the_file() -> None:
    egress = {"service": "web", "allow": ["a:1"], "limits": {"bytes": "1k"}}
    configuration = configured(topology({"web": {}}, seed=7, egress=[egress]))
    assert (configuration.seed, configuration.gateway) == (7, True)
    limits = EgressLimits(transfer_bytes=1024)
    assert configuration.egress == (
        Egress(service="web", rules=(parse_rule("a:1"),), limits=limits),
    )


def test_a_link_is_crossed_both_ways() -> None:
    declared = topology(
        {"web": {}, "api": {}},
        links=[{"endpoints": ["web", "api"], "delay": "20ms", "direction": "forward"}],
    )
    configuration = configured(declared)
    (link,) = configuration.links
    assert link.name == "web--api@default"
    assert (link.forward, link.backward) == (LinkParameters(delay_ns=20 * MS), LinkParameters())
    assert ways(configuration) == {("web@default", "api@default"): ("web--api@default",)}


def test_a_link_that_does_nothing_costs_nothing() -> None:
    declared = topology({"web": {}, "api": {}}, links=[{"endpoints": ["web", "api"]}])
    configuration = configured(declared)
    assert (configuration.links, configuration.routes) == ((), ())


def test_a_replica_with_a_link_of_its_own_is_a_group_of_its_own() -> None:
    declared = topology(
        {"web": {}, "api": {"deploy": {"replicas": 3}}},
        links=[
            {"endpoints": ["web", "api"], "delay": "1ms"},
            {"endpoints": ["api-2", "web"], "delay": "9ms"},
        ],
    )
    configuration, plan = configured(declared), plan_of(declared)
    groups = {group.name: set(group.interfaces) for group in configuration.groups}
    assert groups == {
        "web@default": addresses(plan, "web-1"),
        "api@default": addresses(plan, "api-1", "api-3"),
        "api-2@default": addresses(plan, "api-2"),
    }
    assert ways(configuration) == {
        ("web@default", "api@default"): ("web--api@default",),
        ("api@default", "web@default"): ("-web--api@default",),
        ("web@default", "api-2@default"): ("-api-2--web@default",),
        ("api-2@default", "web@default"): ("api-2--web@default",),
    }


def test_a_pods_link_without_effect_takes_it_out_of_its_services_link() -> None:
    declared = topology(
        {"web": {}, "api": {"deploy": {"replicas": 2}}},
        links=[{"endpoints": ["web", "api"], "delay": "1ms"}],
    )
    off = SetLink(first="web", second="api-2", change=parse_change({"delay": "0"}))
    assert {pair for pair in ways(configured(declared, changes=(off,)))} == {
        ("web@default", "api@default"),
        ("api@default", "web@default"),
    }


def test_a_networks_own_link_belongs_to_each_interface() -> None:
    networks = {"front": {"link": {"delay": "1ms"}}, "back": {"link": {"loss": "0%"}}}
    groups = configured(topology({"web": {"networks": ["front", "back"]}}, networks)).groups
    assert {group.name: group.access for group in groups} == {
        "web@front": LinkParameters(delay_ns=MS),
        "web@back": None,
    }


def test_a_router_joins_its_networks_over_the_links_on_the_way() -> None:
    links: list[dict[str, object]] = [
        {"endpoints": ["web", "gw"], "delay": "5ms"},
        {"endpoints": ["api", "gw"], "delay": "7ms"},
    ]
    found = ways(configured(routed(links=links)))
    assert found["web@front", "api@back"] == ("web--gw@front", "-api--gw@back")
    assert found["api@back", "web@front"] == ("api--gw@back", "-web--gw@front")


def test_a_forwarded_packet_crosses_the_routers_own_link() -> None:
    declared = topology(
        {
            "web": {"networks": ["front"]},
            "gw": {"networks": ["front", "back"], "router": True},
            "api": {"networks": ["back"]},
        },
        {"front": {}, "back": {"link": {"delay": "1ms"}}},
    )
    configuration = configured(declared)
    assert ways(configuration) == {
        ("web@front", "api@back"): ("gw-1@back/access",),
        ("api@back", "web@front"): (),
        ("web@front", "gw@back"): (),
        ("api@back", "gw@front"): (),
    }
    (link,) = configuration.links
    assert (link.name, link.forward.delay_ns) == ("gw-1@back/access", MS)


def test_without_a_router_that_is_up_there_is_no_way() -> None:
    assert ("web@front", "api@back") in ways(configured(routed()))
    assert ways(configured(routed(), down=("gw-1",))) == {}
    service = routed().services["gw"].model_copy(update={"router": False})
    closed = routed().model_copy(update={"services": {**routed().services, "gw": service}})
    assert ways(configured(closed)) == {}


def test_the_way_with_the_smallest_delay_is_taken_and_of_equals_the_first() -> None:
    links: list[dict[str, object]] = [
        {"endpoints": ["web", "gw-1"], "delay": "5ms"},
        {"endpoints": ["web", "gw-2"], "delay": "1ms"},
        {"endpoints": ["web", "gw-3"], "delay": "1ms"},
    ]
    declared = routed(3, links=links)
    there = ("web@front", "api@back")
    assert ways(configured(declared))[there] == ("web--gw-2@front",)
    assert ways(configured(declared, down=("gw-2",)))[there] == ("web--gw-3@front",)
    assert ways(configured(declared, down=("gw-2", "gw-3")))[there] == ("web--gw-1@front",)
    slow = SetLink(first="gw-2", second="web", change=parse_change({"delay": "1s"}))
    assert ways(configured(declared, changes=(slow,)))[there] == ("web--gw-3@front",)


def test_fewer_routers_win_where_the_delay_is_the_same() -> None:
    declared = topology(
        {
            "a": {"networks": ["n1"]},
            "along": {"networks": ["n1", "n2"], "router": True},
            "further": {"networks": ["n2", "n3"], "router": True},
            "straight": {"networks": ["n1", "n3"], "router": True},
            "b": {"networks": ["n3"]},
        },
        {"n1": {}, "n2": {}, "n3": {"link": {"delay": "1ms"}}},
    )
    assert ways(configured(declared))["a@n1", "b@n3"] == ("straight-1@n3/access",)
    detour = ways(configured(declared, down=("straight-1",)))
    assert detour["a@n1", "b@n3"] == ("further-1@n3/access",)


def test_the_far_side_of_a_router_is_reached_as_well() -> None:
    links: list[dict[str, object]] = [{"endpoints": ["web", "gw"], "delay": "5ms"}]
    found = ways(configured(routed(links=links)))
    assert found["web@front", "gw@back"] == ("web--gw@front",)


def test_pods_on_a_common_network_need_no_router() -> None:
    declared = topology(
        {
            "a": {"networks": ["front", "back"]},
            "b": {"networks": ["front", "back"]},
            "gw": {"networks": ["front", "back"], "router": True},
        },
        NETWORKS,
    )
    assert ways(configured(declared)) == {}


def test_a_way_over_too_many_links_is_none() -> None:
    count = HOPS_MOST + 2
    services: dict[str, dict[str, object]] = {
        f"r{n}x": {"networks": [f"n{n}x", f"n{n + 1}x"], "router": True} for n in range(count)
    }
    services |= {"a": {"networks": ["n0x"]}, "b": {"networks": [f"n{count}x"]}}
    networks = {f"n{n}x": {"link": {"delay": "1ms"}} for n in range(count + 1)}
    found = ways(configured(topology(services, networks)))
    assert ("a@n0x", f"b@n{count}x") not in found
    assert max(map(len, found.values())) == HOPS_MOST


def test_a_partition_from_a_router_holds_for_what_it_forwards() -> None:
    part = Part(kind=FaultKind.CUT, groups=(("web-1",), ("gw",)))
    declared, plan = routed(), plan_of(routed())
    faults = configured(declared, changes=(part,)).faults
    web, gw, api = (addresses(plan, *pods) for pods in (["web-1"], ["gw-1"], ["api-1", "api-2"]))
    assert sorted((sorted(fault.sources), sorted(fault.targets)) for fault in faults) == sorted(
        (sorted(a), sorted(b)) for a, b in ((web, gw), (gw, web), (web, api), (api, web))
    )
    assert len(configured(declared, down=("gw-1",), changes=(part,)).faults) == 2


def test_a_router_that_stands_by_cuts_nothing_off() -> None:
    part = Part(kind=FaultKind.HOLD, groups=(("web",), ("gw-2",)), oneway=True)
    (fault,) = configured(routed(2), changes=(part,)).faults
    assert fault.kind is FaultKind.HOLD


def test_policies_name_groups() -> None:
    declared = routed(
        links=[{"endpoints": ["web-2", "gw"], "delay": "1ms"}],
        policies=[
            {
                "service": "api",
                "deny": "drop",
                "ingress": [
                    {"from": [{"service": "web"}, {"cidr": "10.0.0.0/8"}], "ports": ["80"]}
                ],
                "egress": [],
            },
            {"network": "front", "egress": [{"to": [{"network": "back"}]}]},
        ],
    )
    inward, outward, front = configured(declared).policies
    assert (inward.name, inward.groups) == ("policies[0].ingress", ("api@back",))
    assert (inward.direction, inward.denial) == (Direction.INGRESS, Denial.DROP)
    assert inward.rules == (
        PolicyRule(
            groups=("web@front", "web-2@front"),
            blocks=(AddressBlock(block=IPv4Network("10.0.0.0/8")),),
            ports=(PortRange(first=80, last=80),),
        ),
    )
    assert (outward.direction, outward.rules) == (Direction.EGRESS, ())
    assert front.groups == ("web@front", "web-2@front", "gw@front")
    assert front.rules == (PolicyRule(groups=("gw@back", "api@back")),)


def test_a_rule_for_a_service_without_pods_lets_nobody_in() -> None:
    declared = topology(
        {"web": {"deploy": {"replicas": 0}}, "api": {}},
        policies=[
            {"service": "api", "ingress": [{"from": [{"service": "web"}]}]},
            {"service": "web", "ingress": []},
        ],
    )
    (policy,) = configured(declared).policies
    assert (policy.groups, policy.rules) == (("api@default",), ())


def test_links_keep_their_names_apart() -> None:
    names = ["a", "b--c", "a--b", "c"]
    links = [{"endpoints": pair, "delay": "1ms"} for pair in (names[:2], names[2:])]
    configuration = configured(topology({name: {} for name in names}, links=links))
    assert len({link.name for link in configuration.links}) == 2


@st.composite
def meshes(draw: st.DrawFn) -> Topology:
    """Some networks, some services on them, some of these routers, some links."""
    networks = [f"n{n}x" for n in range(draw(st.integers(1, 4)))]
    names = [f"s{n}x" for n in range(draw(st.integers(1, 6)))]
    services: dict[str, dict[str, object]] = {
        name: {
            "networks": draw(st.lists(st.sampled_from(networks), min_size=1, unique=True)),
            "router": draw(st.booleans()),
            "deploy": {"replicas": draw(st.integers(0, 2))},
        }
        for name in names
    }
    links: dict[tuple[str, str, str], dict[str, object]] = {}
    for _ in range(draw(st.integers(0, 5))):
        first, second = draw(st.permutations(names))[:2] if len(names) > 1 else (names * 2)
        shared = [n for n in services[first]["networks"] if n in services[second]["networks"]]  # type: ignore[attr-defined, operator]
        if first != second and shared:
            network, delay = draw(st.sampled_from(shared)), draw(st.integers(0, 3))
            ends = sorted([first, second])
            links[network, ends[0], ends[1]] = {
                "endpoints": ends,
                "network": network,
                "delay": f"{delay}ms",
            }
    access = {name: {"link": {"delay": f"{draw(st.integers(0, 2))}ms"}} for name in networks}
    return topology(services, access, links=list(links.values()))


@calm
@given(meshes(), st.data())
def test_every_way_is_a_shortest_one_and_none_is_missing(
    declared: Topology, data: st.DataObject
) -> None:
    plan = plan_of(declared)
    up = pods_of(plan)
    up -= {*data.draw(st.lists(st.sampled_from(sorted(up)), unique=True))} if up else set()
    impairments = Impairments(declared)
    configuration = impairments.configuration(plan, up)
    check(configuration, {network.name: network.subnet for network in plan.networks})
    delays = {(link.name, False): link.forward.delay_ns for link in configuration.links}
    delays |= {(link.name, True): link.backward.delay_ns for link in configuration.links}
    access = {g.name: g.access.delay_ns if g.access else 0 for g in configuration.groups}
    graph = _oracle(declared, configuration, up)
    found = {(route.source, route.target): route for route in configuration.routes}
    for source in configuration.groups:
        service = declared.services[source.name.partition("@")[0]]
        for target in configuration.groups:
            if target.network in service.attached:
                continue
            starts = [f"{source.name.partition('@')[0]}@{network}" for network in service.attached]
            costs = [
                nx.dijkstra_path_length(graph, start, f"to {target.name}")
                for start in starts
                if nx.has_path(graph, start, f"to {target.name}")
            ]
            taken = [found[start, target.name] for start in starts if (start, target.name) in found]
            assert bool(costs) == bool(taken)
            assert len(taken) <= 1
            for route in taken:
                delay = access[route.source] + sum(delays[h.link, h.backward] for h in route.hops)
                assert delay == min(costs)


def _oracle(
    declared: Topology, configuration: NetworkConfiguration, up: set[str]
) -> nx.DiGraph[str]:
    """The network as a graph of groups, without classes of ways or a table of legs."""
    links = {link.name: link for link in configuration.links}
    graph: nx.DiGraph[str] = nx.DiGraph()
    groups = {group.name: group for group in configuration.groups}
    graph.add_nodes_from([*groups, *(f"to {name}" for name in groups)])
    for source in groups.values():
        for target in groups.values():
            a, b = source.name.partition("@")[0], target.name.partition("@")[0]
            if source.network != target.network or a == b:
                continue
            forward = links.get(f"{a}--{b}@{source.network}")
            backward = links.get(f"{b}--{a}@{source.network}")
            delay = source.access.delay_ns if source.access else 0
            delay += forward.forward.delay_ns if forward else 0
            delay += backward.backward.delay_ns if backward else 0
            graph.add_edge(source.name, f"to {target.name}", weight=delay)
    for name, service in declared.services.items():
        if service.router and any(pod.startswith(f"{name}-") for pod in up):
            for into in service.attached:
                for out in service.attached:
                    graph.add_edge(f"to {name}@{into}", f"{name}@{out}", weight=0)
                    graph.add_edge(f"to {name}@{into}", f"to {name}@{out}", weight=0)
    return graph


def test_a_configuration_is_the_same_every_time() -> None:
    configurations = [configured(routed(3)) for _ in range(3)]
    assert all(one == other for one, other in pairwise(configurations))
