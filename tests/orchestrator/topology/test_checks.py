from __future__ import annotations

from collections.abc import Callable

import pytest

Say = Callable[..., list[str]]


def topology(services: str, rest: str = "") -> str:
    return f"name: t\nservices:\n{services}\n{rest}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My_Api", '"My_Api" is not a DNS label: use lower-case letters, digits and inner dashes'),
        ("My_Api", 'for example "my-api"'),
        ("-a", 'for example "a"'),
        ("a.b", 'for example "a-b"'),
        ("42", "with at least one letter"),
        ("é", "is not a DNS label"),
        ("''", '"" is not a DNS label'),
        ("localhost", "has a meaning of its own"),
        ("a" * 58, "is longer than 57 characters"),
    ],
)
def test_a_service_is_named_by_a_dns_label(say: Say, name: str, said: str) -> None:
    (problem,) = say(topology(f"  {name}: {{image: x}}"))
    assert problem.startswith("3:3: services")
    assert said in problem


def test_topologies_networks_and_volumes_have_safe_names_too(say: Say) -> None:
    text = "name: ../t\nservices: {web: {image: x}}\nnetworks: {a_b: }\nvolumes: {../x: }\n"
    first, second, third = say(text)
    assert '1:7: name: "../t" is not a DNS label' in first
    assert '3:12: networks.a_b: "a_b" is not a DNS label' in second
    assert '"../x" cannot name a volume' in third


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_service_may_not_be_called_like_a_replica_of_another(say: Say, replicas: int) -> None:
    services = f"  api: {{image: x, deploy: {{replicas: {replicas}}}}}\n  api-2: {{image: x}}"
    (problem,) = say(topology(services))
    assert problem == (
        '4:3: services.api-2: "api-2" is also the name of a replica of service "api"; '
        "rename one of them"
    )


def test_a_service_that_ends_in_a_number_is_fine_alone(say: Say) -> None:
    assert not say(topology("  api-2: {image: x}\n  web: {image: x}"))


def test_an_unknown_network_is_told_with_the_nearest_one(say: Say) -> None:
    services = "  web: {image: x, networks: [frnt]}"
    (problem,) = say(topology(services, "networks: {front: , back: }"))
    assert problem == (
        '3:30: services.web.networks.frnt: unknown network "frnt"; did you mean "front"?'
    )


def test_networks_that_a_node_has_no_room_for_are_told(say: Say) -> None:
    names = [f"n{n}x" for n in range(65)]
    networks = f"networks: {{{', '.join(f'{name}: ' for name in names)}}}"
    (problem,) = say(topology("  web: {image: x, networks: [n0x]}", networks))
    assert problem == "4:1: networks: more than 64 networks; let services share some"
    services = f"  web: {{image: x, networks: [{', '.join(names[:9])}]}}"
    (problem,) = say(topology(services, networks.replace(", n64x: ", "")))
    assert "3:19: services.web.networks: a pod is on 8 networks at most" in problem


def test_a_router_on_one_network_is_a_mistake(say: Say) -> None:
    services = "  gw: {image: x, networks: [a], router: true}"
    (problem,) = say(topology(services, "networks: {a: , b: }"))
    assert problem == (
        '3:33: services.gw.router: a router joins networks, and "gw" is on one only; add another'
    )
    assert not say(topology(services.replace("[a]", "[a, b]"), "networks: {a: , b: }"))


def test_an_unknown_dependency_is_told_with_the_nearest_service(say: Say) -> None:
    services = "  web: {image: x, depends_on: [apii]}\n  api: {image: x}"
    (problem,) = say(topology(services))
    assert problem == (
        '3:32: services.web.depends_on.apii: unknown service "apii"; did you mean "api"?'
    )


def test_an_unknown_volume_is_told_with_both_remedies(say: Say) -> None:
    (problem,) = say(topology("  web: {image: x, volumes: ['dat:/d']}", "volumes: {data: }"))
    assert 'services.web.volumes[0]: unknown volume "dat"; did you mean "data"?' in problem
    assert 'declare it under the top-level key "volumes", or write "./dat"' in problem


def test_a_cycle_of_dependencies_is_written_out(say: Say) -> None:
    services = """
  web: {image: x, depends_on: [api]}
  api: {image: x, depends_on: [store]}
  store: {image: x, depends_on: [web]}
  other: {image: x, depends_on: [web]}"""
    (problem,) = say(topology(services))
    assert "services wait for each other: web -> api -> store -> web" in problem


def test_each_separate_cycle_is_told_once_and_briefly(say: Say) -> None:
    services = """
  a: {image: x, depends_on: [b, d]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a]}
  d: {image: x, depends_on: [a]}
  e: {image: x, depends_on: [e]}
  f: {image: x, depends_on: [g]}
  g: {image: x, depends_on: [f]}"""
    first, second, third = say(topology(services))
    assert "a -> d -> a" in first
    assert "a service cannot wait for itself: e -> e" in second
    assert "f -> g -> f" in third


def test_waiting_for_the_health_of_a_service_without_a_probe_is_an_error(say: Say) -> None:
    services = """
  web: {image: x, depends_on: {api: {condition: service_healthy}}}
  api: {image: x, healthcheck: {disable: true}}"""
    (problem,) = say(topology(services))
    assert 'services.web.depends_on.api: waits until "api" is healthy, but' in problem


def test_a_dependency_on_another_network_is_no_error(say: Say) -> None:
    services = "  web: {image: x, networks: [a], depends_on: [api]}\n  api: {image: x}"
    assert not say(topology(services, "networks: {a: }"))


def test_overlapping_subnets_are_told_at_the_later_one(say: Say) -> None:
    networks = "networks:\n  a: {subnet: 10.1.0.0/16}\n  b: {subnet: 10.1.2.0/24}"
    (problem,) = say(topology("  web: {image: x}", networks))
    assert problem == (
        '6:15: networks.b.subnet: subnet 10.1.2.0/24 of network "b" overlaps 10.1.0.0/16 '
        'of network "a"; give them separate ranges'
    )


@pytest.mark.parametrize(
    ("replicas", "prefix", "fitting"), [(2, 30, 29), (6, 29, 28), (254, 24, 23), (300, 24, 23)]
)
def test_a_full_subnet_is_told_with_one_that_is_large_enough(
    say: Say, replicas: int, prefix: int, fitting: int
) -> None:
    services = f"  web: {{image: x, networks: [a], deploy: {{replicas: {replicas}}}}}"
    (problem,) = say(topology(services, f"networks: {{a: {{subnet: 10.0.0.0/{prefix}}}}}"))
    assert f"its services have {replicas}; use a /{fitting} or larger" in problem
    assert not say(topology(services, f"networks: {{a: {{subnet: 10.0.0.0/{fitting}}}}}"))


def test_a_full_default_network_is_told_too(say: Say) -> None:
    services = "\n".join(f"  s{n}x: {{image: x, deploy: {{replicas: 10000}}}}" for n in range(7))
    (problem,) = say(topology(services))
    assert "has room for 65533 pods, and its services have 70000; spread" in problem


def test_no_subnet_left_for_the_default_network_is_told(say: Say) -> None:
    ranges = [f"10.{n}.0.0/16" for n in range(256)]
    ranges += [f"172.{n}.0.0/16" for n in range(16, 32)] + ["192.168.0.0/16"]
    lines = "\n".join(f"  n{n}: {{subnet: {range_}}}" for n, range_ in enumerate(ranges))
    problems = say(topology("  web: {image: x}", f"networks:\n{lines}"))
    assert any('no private range is left for network "default"' in each for each in problems)


def test_one_port_of_the_machine_belongs_to_one_service(say: Say) -> None:
    services = """
  web: {image: x, ports: ["80:8080"]}
  api: {image: x, ports: ["81:8080", "80:9000"]}"""
    (problem,) = say(topology(services))
    assert problem.startswith("5:38: services.api.ports[1]: port 80 of this machine is already")


def test_a_port_is_listed_once(say: Say) -> None:
    (problem,) = say(topology("  web: {image: x, ports: [80, '81:80']}"))
    assert problem == "3:31: services.web.ports[1]: port 80 is listed twice"


def test_two_volumes_may_not_share_a_target(say: Say) -> None:
    services = "  web: {image: x, volumes: ['data:/d', 'data:/d/']}"
    (problem,) = say(topology(services, "volumes: {data: }"))
    assert 'services.web.volumes[1]: two volumes are mounted at "/d"' in problem
