"""Traffic as it was measured, and what it weighs beside what is declared."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.assignments import Assignments
from orchestrator.cluster.traffic_record import FILE, keep_traffic, read_traffic
from orchestrator.placement import (
    Demand,
    MeasuredTraffic,
    NodeOffer,
    Placing,
    ServiceRules,
    edges,
    with_measured,
)
from orchestrator.placement.measured import HALF_LIFE_S
from vnet.statistics import TrafficStatistics

WEB, API, DB = (IPv4Address(f"10.0.0.{number}") for number in (1, 2, 3))
SERVICES = {WEB: "web", API: "api", DB: "db"}


def went(source: IPv4Address, target: IPv4Address, size: int) -> TrafficStatistics:
    return TrafficStatistics(source=source, target=target, bytes=size)


def test_both_directions_of_two_services_are_one_pair_and_others_are_left_out() -> None:
    measured = MeasuredTraffic()
    gateway = IPv4Address("10.0.0.254")
    measured.note(
        [went(WEB, API, 100), went(API, WEB, 900), went(WEB, gateway, 5), went(gateway, DB, 5)],
        SERVICES,
        1.0,
    )
    assert measured.bytes == {("api", "web"): 1000.0}
    assert measured.telling == {}


def test_counters_that_grow_count_once_and_those_that_begin_anew_in_full() -> None:
    measured = MeasuredTraffic()
    for size, expected in ((1000, 1000), (1500, 1500), (1500, 1500), (200, 1700)):
        measured.note([went(WEB, DB, size)], SERVICES, 0.0)
        assert measured.bytes == {("db", "web"): expected}


def test_old_traffic_counts_less() -> None:
    measured = MeasuredTraffic()
    measured.note([went(WEB, DB, 4000)], SERVICES, 1.0)
    measured.note([went(WEB, DB, 4000), went(API, DB, 3000)], SERVICES, 1.0 + HALF_LIFE_S)
    assert measured.telling == {("db", "web"): pytest.approx(2000), ("api", "db"): 3000}


def test_what_was_measured_weighs_as_much_as_what_is_declared() -> None:
    declared = {("api", "web"): 1.0, ("api", "db"): 3.0}
    measured = {("api", "db"): 9000.0, ("db", "web"): 3000.0}
    assert with_measured(declared, measured) == {
        ("api", "db"): 6.0,
        ("api", "web"): 1.0,
        ("db", "web"): 1.0,
    }
    shown = edges(declared, measured)
    assert [(edge.services, edge.declared, edge.measured) for edge in shown] == [
        (("api", "db"), 3.0, 3.0),
        (("api", "web"), 1.0, 0.0),
        (("db", "web"), 0.0, 1.0),
    ]
    assert with_measured(declared, {}) == dict(sorted(declared.items()))
    assert with_measured({}, measured) == {("api", "db"): 1.5, ("db", "web"): 0.5}


PAIRS = st.dictionaries(
    st.sampled_from([("a", "b"), ("a", "c"), ("b", "c")]), st.floats(0.001, 1e15), max_size=3
)


@given(PAIRS, PAIRS)
def test_no_weight_is_lost(
    declared: dict[tuple[str, str], float], measured: dict[tuple[str, str], float]
) -> None:
    together = with_measured(declared, measured)
    assert together.keys() == declared.keys() | measured.keys()
    assert all(together[pair] >= weight for pair, weight in declared.items())
    if declared and measured:
        assert sum(together.values()) == pytest.approx(2 * sum(declared.values()))


def test_new_pods_go_where_most_was_measured_and_running_ones_stay() -> None:
    assignments = Assignments("t")
    rules = {name: ServiceRules() for name in ("web", "api", "db")}

    def demand(name: str) -> Demand:
        return Demand(pod=f"{name}-1", service=name, memory_bytes=1)

    for name in ("a", "b"):
        assignments.join(NodeOffer(name=name, cpus=4, memory_bytes=1 << 30))
    assignments.arrange(Placing(demands=(demand("web"), demand("db")), rules=rules))
    before = dict(assignments.owners)
    assert before["web-1"] != before["db-1"]
    assignments.measured = {("api", "db"): 1e6, ("db", "web"): 1e9}
    everything = (demand("web"), demand("db"), demand("api"))
    assignments.arrange(Placing(demands=everything, rules=rules))
    assert assignments.owners["api-1"] == before["db-1"]
    assert {pod: assignments.owners[pod] for pod in before} == before


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    assert read_traffic(tmp_path).bytes == {}
    kept = MeasuredTraffic(bytes={("api", "db"): 12.5}, read_at=7.0)
    keep_traffic(tmp_path, kept)
    again = read_traffic(tmp_path)
    assert (again.bytes, again.read_at) == (kept.bytes, kept.read_at)
    for damage in ("", "[]", "{}", '{"bytes": [[1]], "read_at": 0}', "null"):
        (tmp_path / FILE).write_text(damage)
        assert read_traffic(tmp_path).bytes == {}
