from __future__ import annotations

import itertools
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.desired.plan import Condition, Dependency, Plan, PlannedPortal, make_plan
from orchestrator.topology.schema import Topology
from orchestrator.topology.values import RestartMode, RestartPolicy
from pod_node.spec import HealthCheck, Interface, Limits, Mount, PodSpec, ProbeKind, Tmpfs

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

STATE = Path("/state")


def topology(
    services: Mapping[str, Mapping[str, object]],
    networks: Mapping[str, object] | None = None,
    volumes: tuple[str, ...] = (),
) -> Topology:
    return Topology.model_validate(
        {
            "name": "shop",
            "services": {name: {"image": "python", **keys} for name, keys in services.items()},
            "networks": networks or {},
            "volumes": dict.fromkeys(volumes),
        }
    )


def scaled(**replicas: int) -> Topology:
    return topology({name: {"deploy": {"replicas": count}} for name, count in replicas.items()})


def addresses(plan: Plan) -> dict[tuple[str, str], IPv4Address]:
    return {
        (interface.network, pod.spec.name): interface.address
        for pod in plan.pods
        for interface in pod.spec.interfaces
    }


def shop() -> Plan:
    services: dict[str, dict[str, object]] = {
        "web": {
            "command": ["python", "/app/web.py"],
            "volumes": [{"type": "bind", "source": "/src/web", "target": "/app"}],
            "networks": ["front", "back"],
            "ports": ["8080", "80:9000"],
            "deploy": {"replicas": 2, "resources": {"limits": {"memory": "128M", "cpus": "0.5"}}},
            "depends_on": {"api": {"condition": "service_healthy"}},
            "restart": "on-failure:3",
        },
        "api": {
            "networks": ["back"],
            "environment": {"STORE": "store:9000"},
            "depends_on": ["store"],
            "healthcheck": {"http": "http://:8000/health", "interval": "1s", "retries": "2"},
        },
        "store": {
            "networks": ["back"],
            "volumes": ["data:/data:ro"],
            "working_dir": "/data",
            "healthcheck": {"tcp": ":9000"},
        },
    }
    networks = {"front": {"subnet": "10.10.0.0/24"}, "back": {"subnet": "10.20.0.0/24"}}
    return make_plan(topology(services, networks, ("data",)), state_dir=STATE)


def test_services_start_after_those_they_depend_on() -> None:
    plan = shop()
    assert plan.levels == (("store",), ("api",), ("web",))
    assert [pod.spec.name for pod in plan.pods] == ["store-1", "api-1", "web-1", "web-2"]
    assert plan.pods[-1].depends_on == (Dependency(service="api", condition=Condition.HEALTHY),)


def test_a_pod_is_described_completely() -> None:
    web = shop().pods[-1]
    assert web.spec.service == "web"
    assert web.spec.command == ("python", "/app/web.py")
    assert web.spec.mounts == (Mount(source=Path("/src/web"), target="/app"),)
    assert web.spec.limits == Limits(memory_bytes=128 * 1024**2, cpus=0.5)
    assert web.spec.working_dir == "/"
    assert web.restart == RestartPolicy(RestartMode.ON_FAILURE, 3)
    assert web.replica == 2
    assert web.spec.interfaces == (
        Interface(network="front", address=IPv4Address("10.10.0.3"), prefix=24),
        Interface(network="back", address=IPv4Address("10.20.0.3"), prefix=24),
    )


def test_healthchecks_environment_and_working_directory_reach_the_pod() -> None:
    store, api, *_ = shop().pods
    assert store.spec.healthcheck == HealthCheck(kind=ProbeKind.TCP, port=9000)
    assert store.spec.working_dir == "/data"
    assert api.spec.environment == (("STORE", "store:9000"),)
    assert api.spec.healthcheck == HealthCheck(
        kind=ProbeKind.HTTP, port=8000, path="/health", interval_s=1.0, retries=2
    )


def test_a_disabled_healthcheck_is_none() -> None:
    declared = topology({"web": {"healthcheck": {"tcp": 1, "disable": "true"}}})
    assert make_plan(declared, state_dir=STATE).pods[0].spec.healthcheck is None


def test_tmpfs_is_planned_from_either_form_and_disk_from_storage_opt() -> None:
    declared = topology(
        {
            "web": {
                "volumes": [
                    {"type": "tmpfs", "target": "/a"},
                    {"type": "tmpfs", "target": "/b", "tmpfs": {"size": "1M"}},
                ],
                "tmpfs": ["/c", "/d:size=2M"],
                "storage_opt": {"size": "3M"},
            },
            "api": {"tmpfs": "/run"},
        }
    )
    web, api = (pod.spec for pod in make_plan(declared, state_dir=STATE).pods)
    sizes = [(tmpfs.target, tmpfs.size_bytes >> 20) for tmpfs in web.tmpfs]
    assert sizes == [("/a", 64), ("/b", 1), ("/c", 64), ("/d", 2)]
    assert web.mounts == ()
    assert web.limits.disk_bytes == 3 << 20
    assert api.limits == Limits()
    assert api.tmpfs == (Tmpfs(target="/run"),)


def test_named_volumes_live_in_the_state_folder() -> None:
    plan = shop()
    (volume,) = plan.volumes
    assert (volume.name, volume.folder) == ("data", STATE / "volumes" / "data")
    mount = Mount(source=STATE / "volumes" / "data", target="/data", read_only=True)
    assert plan.pods[0].spec.mounts == (mount,)


def test_names_are_published_for_each_network() -> None:
    web = shop().pods[-1]
    assert [(n.name, n.network, str(n.address)) for n in web.names] == [
        ("web", "front", "10.10.0.3"),
        ("web.front", "front", "10.10.0.3"),
        ("web", "back", "10.20.0.3"),
        ("web.back", "back", "10.20.0.3"),
        ("web-2", "front", "10.10.0.3"),
        ("web-2.front", "front", "10.10.0.3"),
        ("web-2", "back", "10.20.0.3"),
        ("web-2.back", "back", "10.20.0.3"),
    ]


def test_every_port_gets_a_portal_to_all_replicas() -> None:
    pods = ("web-1", "web-2")
    assert shop().portals == (
        PlannedPortal(service="web", port=8080, host_port=None, pods=pods),
        PlannedPortal(service="web", port=9000, host_port=80, pods=pods),
    )


def test_services_without_networks_share_a_default_network() -> None:
    plan = make_plan(scaled(web=1, api=1), state_dir=STATE)
    (network,) = plan.networks
    assert (network.name, network.subnet) == ("default", IPv4Network("10.88.0.0/16"))
    assert network.gateway == IPv4Address("10.88.0.1")
    assert set(addresses(plan)) == {("default", "web-1"), ("default", "api-1")}


def test_the_default_network_avoids_declared_ones() -> None:
    declared = topology({"web": {}}, {"front": {"subnet": "10.88.1.0/24"}, "back": None})
    plan = make_plan(declared, state_dir=STATE)
    assert {network.name: str(network.subnet) for network in plan.networks} == {
        "front": "10.88.1.0/24",
        "back": "10.89.0.0/16",
        "default": "10.90.0.0/16",
    }


def test_a_default_network_that_nobody_needs_does_not_exist() -> None:
    declared = topology({"web": {"networks": ["a"]}}, {"a": None})
    assert [n.name for n in make_plan(declared, state_dir=STATE).networks] == ["a"]


def test_a_declared_default_network_keeps_its_subnet() -> None:
    declared = topology({"web": {}}, {"default": {"subnet": "10.1.0.0/24"}})
    plan = make_plan(declared, state_dir=STATE)
    assert [str(network.subnet) for network in plan.networks] == ["10.1.0.0/24"]


def test_services_that_wait_for_nobody_start_together_in_the_order_of_the_file() -> None:
    services: dict[str, dict[str, object]] = {name: {} for name in ("d", "a", "c")}
    services["b"] = {"depends_on": ["c"]}
    plan = make_plan(topology(services), state_dir=STATE)
    assert plan.levels == (("d", "a", "c"), ("b",))


def test_a_service_without_replicas_has_a_portal_and_no_pods() -> None:
    declared = topology({"web": {"ports": ["80"], "deploy": {"replicas": 0}}})
    plan = make_plan(declared, state_dir=STATE)
    assert plan.pods == ()
    assert plan.portals[0].pods == ()


@calm
@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_every_pod_has_an_address_of_its_own(replicas: list[int]) -> None:
    plan = make_plan(
        scaled(**{f"s{n}x": count for n, count in enumerate(replicas)}), state_dir=STATE
    )
    given_out = list(addresses(plan).values())
    assert len(set(given_out)) == len(given_out) == sum(replicas)
    assert plan.networks[0].gateway not in given_out


@calm
@given(
    st.lists(st.integers(0, 16), min_size=2, max_size=6),
    st.integers(0, 16),
    st.integers(16, 24),
)
def test_scaling_a_service_within_its_share_moves_no_address(
    replicas: list[int], other: int, prefix: int
) -> None:
    networks = {"default": {"subnet": f"10.1.0.0/{prefix}"}}

    def planned(counts: list[int]) -> dict[tuple[str, str], IPv4Address]:
        services = {f"s{n}x": {"deploy": {"replicas": c}} for n, c in enumerate(counts)}
        return addresses(make_plan(topology(services, networks), state_dir=STATE))

    before, after = planned(replicas), planned([other, *replicas[1:]])
    assert all(after[pod] == before[pod] for pod in before.keys() & after.keys())


@calm
@given(st.lists(st.integers(0, 25), min_size=5, max_size=5), st.data())
def test_leases_keep_every_address_whatever_is_scaled(
    replicas: list[int], data: st.DataObject
) -> None:
    networks = {"default": {"subnet": "10.1.0.0/25"}}

    def planned(
        counts: list[int], leases: dict[tuple[str, str], IPv4Address] | None
    ) -> dict[tuple[str, str], IPv4Address]:
        services = {f"s{n}x": {"deploy": {"replicas": c}} for n, c in enumerate(counts)}
        return addresses(make_plan(topology(services, networks), state_dir=STATE, leases=leases))

    before = planned(replicas, None)
    counts = data.draw(st.lists(st.integers(0, 25), min_size=5, max_size=5))
    after = planned(counts, before)
    assert all(after[pod] == before[pod] for pod in before.keys() & after.keys())
    assert len(set(after.values())) == len(after) == sum(counts)


@pytest.mark.parametrize("address", ["10.9.0.9", "10.88.0.1", "10.88.0.0"])
def test_a_lease_that_makes_no_sense_any_more_is_forgotten(address: str) -> None:
    leases = {("default", "web-1"): IPv4Address(address)}
    plan = make_plan(scaled(web=1), state_dir=STATE, leases=leases)
    assert addresses(plan) == {("default", "web-1"): IPv4Address("10.88.0.2")}


def test_two_pods_with_the_same_lease_get_two_addresses() -> None:
    address = IPv4Address("10.88.0.7")
    leases = {("default", "web-1"): address, ("default", "web-2"): address}
    plan = make_plan(scaled(web=2), state_dir=STATE, leases=leases)
    assert addresses(plan)["default", "web-1"] == address
    assert len(set(addresses(plan).values())) == 2


def test_a_small_subnet_is_filled_to_the_last_address() -> None:
    networks = {"default": {"subnet": "10.1.0.0/28"}}
    for first in range(14):
        services: dict[str, dict[str, object]] = {
            "web": {"deploy": {"replicas": first}},
            "api": {"deploy": {"replicas": 13 - first}},
        }
        plan = make_plan(topology(services, networks), state_dir=STATE)
        assert len(set(addresses(plan).values())) == 13


def test_the_same_topology_gives_the_same_plan() -> None:
    assert all(a == b for a, b in itertools.pairwise([shop(), shop(), shop()]))


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD", "python", "-c", "print(1)"], ("python", "-c", "print(1)")),
        (["CMD-SHELL", "python /app/check.py -q"], ("python", "/app/check.py", "-q")),
        ("python '/app/check it.py'", ("python", "/app/check it.py")),
    ],
)
def test_a_health_check_can_be_a_command(test: object, command: tuple[str, ...]) -> None:
    spec = planned_web(healthcheck={"test": test})
    assert spec.healthcheck is not None
    assert (spec.healthcheck.kind, spec.healthcheck.command) == (ProbeKind.COMMAND, command)


def test_no_test_is_no_health_check() -> None:
    assert planned_web(healthcheck={"test": ["NONE"]}).healthcheck is None


def test_what_a_pod_reads_and_whether_it_has_a_terminal_are_planned() -> None:
    spec = planned_web(stdin_open=True, tty=True)
    assert (spec.stdin_open, spec.tty) == (True, True)
    usual = planned_web()
    assert (usual.stdin_open, usual.tty) == (False, False)


def test_how_a_pod_is_stopped_and_how_many_processes_it_has_are_planned() -> None:
    limits = {"resources": {"limits": {"pids": 7}}}
    spec = planned_web(stop_signal="SIGINT", deploy=limits)
    assert (spec.stop_signal, spec.limits.processes) == (2, 7)
    usual = planned_web()
    assert (usual.stop_signal, usual.limits.processes) == (15, 64)


def planned_web(**keys: object) -> PodSpec:
    return make_plan(topology({"web": keys}), state_dir=STATE).pods[0].spec
