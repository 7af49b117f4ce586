from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path

import yaml
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.topology.loader import Reading, read_topology_bytes
from orchestrator.topology.problems import nearest, path_text
from orchestrator.topology.render import render_problems, render_rows
from orchestrator.topology.schema import (
    LinkSection,
    PeerEntry,
    PolicySection,
    ScheduleEntry,
    Section,
    ServiceSection,
    Topology,
)

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

FOLDER = Path(tempfile.gettempdir()) / "podnet-no-such-folder"


def read(raw: bytes) -> Reading:
    return read_topology_bytes(raw, "t.yaml", FOLDER, {"A": "1"})


def check(reading: Reading) -> None:
    """Either a topology or errors, and every problem can be shown."""
    assert (reading.topology is None) == bool(reading.errors)
    for problem in reading.problems:
        assert problem.message
        assert problem.mark is None or (problem.mark.line >= 1 and problem.mark.column >= 1)
    assert render_problems(reading.problems).isprintable() or reading.problems
    assert render_rows(reading.problems)


SECTIONS = (Topology, ServiceSection, LinkSection, PolicySection, PeerEntry, ScheduleEntry)
KEYS = sorted(
    {*ServiceSection.not_yet, *chain.from_iterable(section.keys() for section in SECTIONS)}
)
# fmt: off
SCALARS = st.sampled_from([
    "~", "1", "-1", "1.5", "web", "api", "a:b", "80:80", "./x:/y", "data:/d", "5s", "128M",
    "$A", "${B:?no}", "$", "http://:80/", "true", "[", "service_healthy", "10.0.0.0/24",
    "on-failure:2", "default", "", " ", "\x85", "10mbit", "1%", "0", "all", "1% 10%", "53/udp",
    "web-1", "*.a.b:1", "normal", "forward", "drop",
])
# fmt: on
TREES = st.recursive(
    SCALARS | st.none() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@calm
@given(st.binary())
def test_any_bytes_are_a_topology_or_located_errors(raw: bytes) -> None:
    check(read(raw))


@calm
@given(st.text(alphabet="abservicnm: \n-[]{}&*<'\"$|>?!%#@\\0\t,~.\u2028\x85é"))
def test_any_text_is_a_topology_or_located_errors(text: str) -> None:
    check(read(b"name: t\nservices:\n  web:\n    image: x\n" + text.encode()))


@calm
@given(TREES)
def test_any_tree_is_a_topology_or_located_errors(tree: object) -> None:
    check(read(yaml.safe_dump(tree, allow_unicode=True).encode()))


@calm
@given(TREES, st.sampled_from(sorted(Topology.model_fields)))
def test_any_tree_in_a_section_is_a_topology_or_located_errors(tree: object, key: str) -> None:
    document = {"name": "t", "services": {"web": {"image": "x"}, "api": {"image": "x"}}, key: tree}
    check(read(yaml.safe_dump(document).encode()))


@calm
@given(TREES, st.sampled_from(sorted(ServiceSection.model_fields)))
def test_any_tree_in_a_service_is_a_topology_or_located_errors(tree: object, key: str) -> None:
    document = {"name": "t", "services": {"web": {"image": "x", key: tree}, "api": {"image": "x"}}}
    check(read(yaml.safe_dump(document).encode()))


LISTS: dict[str, type[Section]] = {
    "links": LinkSection,
    "policies": PolicySection,
    "schedule": ScheduleEntry,
}


@calm
@given(st.sampled_from(sorted(LISTS)), st.data())
def test_any_entries_of_the_network_are_a_topology_or_located_errors(
    key: str, data: st.DataObject
) -> None:
    entry = st.dictionaries(st.sampled_from(sorted(LISTS[key].keys())), TREES, max_size=4)
    document = {
        "name": "t",
        "networks": {"a": None, "b": None},
        "services": {"web": {"image": "x", "networks": ["a"]}, "api": {"image": "x"}},
        key: data.draw(st.lists(entry, max_size=3)),
    }
    check(read(yaml.safe_dump(document).encode()))


labels = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z]", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10)
durations = st.integers(1, 10**6).map(lambda n: f"{n}ms")
ports = st.integers(1, 65_535)
healthchecks = st.fixed_dictionaries(
    {"tcp": ports},
    optional={
        "interval": durations,
        "timeout": durations,
        "start_period": durations,
        "start_interval": durations,
        "retries": st.integers(1, 100),
        "disable": st.booleans(),
    },
) | st.fixed_dictionaries({"http": st.builds("http://:{}/{}".format, ports, labels)})

limits = st.fixed_dictionaries(
    {},
    optional={
        "memory": st.integers(64, 4096).map("{}M".format),
        "cpus": st.integers(10, 1_000_000).map(lambda thousandths: f"{thousandths / 1000:.3f}"),
    },
)


percentages = st.integers(0, 10_000).map(lambda n: f"{n / 100}%")
impairments = st.fixed_dictionaries(
    {"delay": st.just("1s")},
    optional={
        "jitter": st.integers(0, 1000).map("{}ms".format),
        "distribution": st.sampled_from(["uniform", "normal", "pareto", "paretonormal"]),
        "loss": percentages,
        "rate": st.integers(0, 10**6).map("{}kbit".format),
        "limit": st.integers(1, 1000),
        "mtu": st.integers(576, 65_535),
        "duplicate": percentages,
        "reorder": percentages,
        "corrupt": percentages,
    },
) | st.fixed_dictionaries({"gemodel": st.just({"p": "1%", "r": "10%", "1-h": "50%"})})
moments = st.lists(st.integers(0, 10**6), max_size=3)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    networks = draw(st.lists(labels, max_size=4, unique=True))
    volumes = draw(st.lists(labels, max_size=3, unique=True))
    names = draw(st.lists(labels, min_size=1, max_size=5, unique=True))
    services: dict[str, object] = {}
    for index, name in enumerate(names):
        mounts = draw(st.lists(st.sampled_from(volumes), unique=True)) if volumes else []
        attached = draw(st.lists(st.sampled_from(networks), unique=True)) if networks else []
        waited = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        services[name] = {
            "image": draw(texts),
            "command": draw(st.lists(texts, max_size=3)),
            "working_dir": draw(st.none() | labels.map("/{}".format)),
            "volumes": [f"{mount}:/{mount}" for mount in mounts],
            "environment": draw(st.dictionaries(labels, texts, max_size=3)),
            "networks": attached,
            "ports": draw(st.lists(ports, max_size=2, unique=True)),
            "deploy": {
                "replicas": draw(st.integers(0, 5)),
                "resources": {"limits": draw(limits)},
            },
            "depends_on": waited,
            "healthcheck": draw(st.none() | healthchecks),
            "restart": draw(st.sampled_from(["no", "always", "on-failure:7", "unless-stopped"])),
        }
    declared = {
        name: {"subnet": f"10.{n}.0.0/16", "link": draw(st.none() | impairments)}
        for n, name in enumerate(networks)
    }
    return Topology.model_validate(
        {
            "name": draw(labels),
            "seed": draw(st.integers(0, 2**64 - 1)),
            "services": services,
            "networks": declared,
            "volumes": dict.fromkeys(volumes),
            **draw(shaped(names, networks)),
        }
    )


@st.composite
def shaped(draw: st.DrawFn, names: list[str], networks: list[str]) -> dict[str, object]:
    """Policies, egress rules and a schedule for these services."""
    service = st.sampled_from(names)
    peers = st.lists(service | st.fixed_dictionaries({"cidr": st.just("10.0.0.0/8")}), max_size=2)
    if networks:
        peers |= st.lists(st.fixed_dictionaries({"network": st.sampled_from(networks)}), max_size=2)
    allowed = st.lists(st.sampled_from([80, "53/udp", "100-200"]), max_size=2)
    rules = st.lists(st.fixed_dictionaries({"from": peers, "ports": allowed}), max_size=2)
    policies = st.fixed_dictionaries({"service": service, "ingress": rules})
    egress = {"service": names[0], "allow": ["*.example.com:443", "192.0.2.0/24:80"]}
    kills = [{"at": f"{at}ms", "kill": draw(service)} for at in sorted(draw(moments))]
    return {
        "policies": draw(st.lists(policies, max_size=2)),
        "egress": draw(st.lists(st.just(egress), max_size=1)),
        "schedule": kills,
    }


def written(topology: Topology) -> bytes:
    text: str = yaml.safe_dump(topology.model_dump(mode="json"), allow_unicode=True)
    return text.replace("$", "$$").encode()


@settings(calm, max_examples=40)
@given(topologies())
def test_a_topology_that_was_written_to_yaml_is_read_back(topology: Topology) -> None:
    reading = read(written(topology))
    assert not reading.errors, [str(error) for error in reading.errors]
    assert reading.topology == topology


@settings(calm, max_examples=40)
@given(topologies())
def test_a_topology_that_was_written_to_json_is_read_back(topology: Topology) -> None:
    assert Topology.model_validate_json(topology.model_dump_json()) == topology


@calm
@given(st.text(), st.lists(st.text()))
def test_the_nearest_word_is_one_of_the_known_ones(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {None, *known}


def test_no_key_is_both_known_and_refused() -> None:
    sections = Section.__subclasses__()
    assert len(sections) > 10
    for section in sections:
        assert not section.not_yet.keys() & section.model_fields.keys()


def test_a_path_is_written_the_way_people_do() -> None:
    assert path_text(("services", "web", "ports", 0)) == "services.web.ports[0]"
    assert path_text(("services", "a b", "c.d")) == 'services["a b"]["c.d"]'
    assert path_text(("", "x")) == '[""].x'
