from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import OrchestratorError
from orchestrator.network.changes import Impairment, Mend, Part, ResetLink, ResetLinks, SetLink
from orchestrator.network.impairments import ImpairmentError, Impairments
from orchestrator.topology.link_change import TRANSPARENT, LinkChange, feasible
from orchestrator.topology.link_options import parse_change
from orchestrator.topology.links import LinkState
from orchestrator.topology.values import LinkDirection
from tests.support.networks import addresses, plan_of, pods_of, topology
from vnet.configuration import FAULTS_MOST, FaultKind, LinkParameters

MS = 1_000_000
calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

SHOP = topology(
    {
        "web": {"networks": ["front"], "deploy": {"replicas": 2}},
        "api": {"networks": ["front", "back"], "deploy": {"replicas": 2}},
        "hub": {"networks": ["front", "back"]},
        "db": {"networks": ["back"]},
    },
    {"front": {"subnet": "10.1.0.0/24"}, "back": {"subnet": "10.2.0.0/24"}},
    links=[
        {"endpoints": ["web", "api"], "delay": "20ms", "loss": "1%"},
        {"endpoints": ["api", "hub"], "network": "back", "delay": "1ms"},
    ],
)
WEB_API = LinkParameters(delay_ns=20 * MS, loss=0.01)


def set_link(first: str, second: str, **options: str) -> SetLink:
    return SetLink(first=first, second=second, change=parse_change(options))


def cut(*groups: str, **keys: object) -> Part:
    part = Part(kind=FaultKind.CUT, groups=tuple(tuple(group.split()) for group in groups))
    return replace(part, **keys)  # type: ignore[arg-type]


def link(impairments: Impairments, first: str, second: str) -> LinkState:
    found = impairments.link(first, second)
    assert found is not None
    return found


def test_links_begin_as_they_are_declared() -> None:
    impairments = Impairments(SHOP)
    first, second = impairments.links()
    assert first == LinkState(ends=first.ends, forward=WEB_API, backward=WEB_API)
    assert (first.ends.name, second.ends.name) == ("web--api@front", "api--hub@back")
    assert impairments.poll_at() is None


def test_a_change_holds_in_both_directions_unless_one_is_named() -> None:
    impairments = Impairments(SHOP)
    change = replace(set_link("api", "web", rate="1mbit"), direction=LinkDirection.FORWARD)
    assert impairments.apply(change, 0) == ("web--api@front",)
    state = link(impairments, "web", "api")
    assert (state.forward, state.backward) == (WEB_API, replace(WEB_API, rate_bit_s=10**6))
    assert state.changed
    assert link(impairments, "api", "web").forward == state.backward


def test_a_reset_link_is_what_the_topology_says() -> None:
    impairments = Impairments(SHOP)
    declared = impairments.links()
    impairments.apply(set_link("web", "api", delay="1s"), 0)
    reset = ResetLink(first="api", second="web")
    assert impairments.apply(reset, 0) == ("web--api@front",)
    assert impairments.apply(reset, 0) == ()
    assert impairments.links() == declared


def test_a_link_that_nobody_declared_comes_to_be_and_goes() -> None:
    impairments = Impairments(SHOP)
    impairments.apply(set_link("api", "db", delay="3ms"), 0)
    state = link(impairments, "db", "api")
    assert not state.declared
    assert state.forward.delay_ns == 3 * MS
    assert impairments.apply(ResetLinks(), 0) == ("api--db@back",)
    assert impairments.link("api", "db") is None


def test_one_pods_link_takes_what_it_is_not_told_from_its_services() -> None:
    impairments = Impairments(SHOP)
    impairments.apply(set_link("web-2", "api", loss="50%"), 0)
    assert link(impairments, "web-2", "api").forward == LinkParameters(delay_ns=20 * MS, loss=0.5)
    impairments.apply(set_link("web", "api", delay="7ms", loss="0"), 0)
    assert link(impairments, "web-2", "api-1").forward == LinkParameters(delay_ns=7 * MS, loss=0.5)
    assert link(impairments, "web-1", "api-1").forward == LinkParameters(delay_ns=7 * MS)


def test_a_temporary_change_ends_without_what_came_after_it() -> None:
    impairments = Impairments(SHOP)
    impairments.apply(replace(set_link("web", "api", delay="1s"), duration_s=5.0), 10)
    impairments.apply(set_link("web", "api", rate="1mbit"), 12)
    assert impairments.poll_at() == 15
    assert impairments.advance(14.9) == ()
    assert link(impairments, "web", "api").until_s == 15
    assert impairments.advance(15) == ("web--api@front",)
    state = link(impairments, "web", "api")
    assert state.forward == replace(WEB_API, rate_bit_s=10**6)
    assert (state.until_s, impairments.poll_at()) == (None, None)


def test_jitter_ends_with_the_delay_that_it_varied() -> None:
    impairments = Impairments(SHOP)
    impairments.apply(replace(set_link("api", "db", delay="1s"), duration_s=5.0), 0)
    impairments.apply(set_link("api", "db", jitter="1ms", reorder="1%"), 0)
    impairments.advance(5)
    assert link(impairments, "api", "db").forward == TRANSPARENT
    impairments.apply(set_link("api", "db", loss="1%"), 6)
    assert link(impairments, "api", "db").forward == LinkParameters(loss=0.01)


def test_a_partition_cuts_both_ways_until_it_is_healed() -> None:
    impairments, plan = Impairments(SHOP), plan_of(SHOP)
    assert impairments.apply(cut("web", "api db"), 0) == ("partition-1",)
    one, other = impairments.configuration(plan, pods_of(plan)).faults
    inside = addresses(plan, "web-1", "web-2")
    outside = addresses(plan, "api-1", "api-2", "db-1")
    assert (set(one.sources), set(one.targets)) == (inside, outside)
    assert (set(other.sources), set(other.targets)) == (outside, inside)
    assert one.kind is other.kind is FaultKind.CUT
    assert impairments.apply(Mend(kind=FaultKind.CUT, name="partition-1"), 1) == ("partition-1",)
    assert impairments.configuration(plan, pods_of(plan)).faults == ()


def test_one_way_cuts_what_the_first_group_sends() -> None:
    impairments, plan = Impairments(SHOP), plan_of(SHOP)
    impairments.apply(cut("web-1", "api-2", oneway=True), 0)
    (fault,) = impairments.configuration(plan, set()).faults
    assert set(fault.sources) == addresses(plan, "web-1")
    assert set(fault.targets) == addresses(plan, "api-2")


def test_faults_have_names_of_their_own_and_end_by_themselves() -> None:
    impairments = Impairments(SHOP)
    impairments.apply(cut("web", "api", duration_s=2.0), 1)
    impairments.apply(cut("web", "db", name="split"), 1)
    hold = replace(cut("web", "hub"), kind=FaultKind.HOLD)
    assert impairments.apply(hold, 1) == ("hold-1",)
    assert impairments.poll_at() == 3
    assert impairments.advance(3) == ("partition-1",)
    assert impairments.apply(cut("web", "hub"), 3) == ("partition-1",)
    assert impairments.apply(Mend(kind=FaultKind.CUT), 4) == ("split", "partition-1")
    assert [state.name for state in impairments.faults()] == ["hold-1"]
    assert impairments.apply(Mend(kind=FaultKind.HOLD), 4) == ("hold-1",)
    assert impairments.apply(Mend(kind=FaultKind.HOLD), 4) == ()


REFUSED: list[tuple[Impairment, str]] = [
    (set_link("wbe", "api", loss="1%"), 'unknown service or pod "wbe"; did you mean "web"?'),
    (set_link("web", "api-3", loss="1%"), 'service "api" has replicas 1 to 2'),
    (set_link("web", "web-1", loss="1%"), "are the same pods"),
    (set_link("web", "db", loss="1%"), '"web" and "db" share no network'),
    (set_link("web", "api", jitter="1s"), "jitter: 1s is more than the delay of 20ms"),
    (set_link("web", "api", delay="0", reorder="1%"), "reorder: needs a delay"),
    (set_link("api", "db", jitter="1ms"), "jitter: 1ms of jitter need a delay"),
    (set_link("web", "api", loss="1%", gemodel="1% 1%"), 'gemodel: replaces "loss"'),
    (replace(set_link("web", "api"), network="frnt"), 'did you mean "front"?'),
    (replace(set_link("web", "api"), network="back"), "networks that they share: front"),
    (ResetLink(first="web", second="x"), 'unknown service or pod "x"'),
    (cut("web", "x"), 'unknown service or pod "x"'),
    (cut("web"), "two or more groups of pods can be parted"),
    (cut("web", ""), "two or more groups of pods can be parted"),
    (cut("web", "api", "db", oneway=True), "one way needs exactly two groups"),
    (cut("web", "api web-1"), '"web-1" and "web" are in two groups'),
    (cut("web", "api", name="a b"), '"a b" cannot name a partition or a hold'),
    (cut("web", "api", name="all"), '"all" cannot name a partition or a hold'),
    (cut("web", "api", name="taken"), 'there is a partition "taken" already'),
    (Mend(kind=FaultKind.CUT, name="tkaen"), 'no partition "tkaen"; did you mean "taken"?'),
    (Mend(kind=FaultKind.HOLD, name="taken"), 'no hold "taken"; there are no holds'),
]


@pytest.mark.parametrize(("impairment", "said"), REFUSED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    impairment: Impairment, said: str
) -> None:
    impairments = Impairments(SHOP)
    impairments.apply(cut("web", "db", name="taken"), 0)
    links, faults = impairments.links(), impairments.faults()
    with pytest.raises(OrchestratorError) as refused:
        impairments.apply(impairment, 0)
    assert said in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    assert (impairments.links(), impairments.faults()) == (links, faults)


def test_of_several_shared_networks_the_one_with_a_link_is_meant() -> None:
    impairments = Impairments(SHOP)
    assert impairments.apply(set_link("hub", "api", loss="1%"), 0) == ("api--hub@back",)
    both = replace(set_link("hub", "api", loss="1%"), network="front")
    assert impairments.apply(both, 0) == ("hub--api@front",)
    with pytest.raises(ImpairmentError, match="share several networks: front, back; name one"):
        impairments.apply(set_link("hub", "api", loss="2%"), 0)


def test_there_is_an_end_to_how_many_faults_there_are() -> None:
    impairments = Impairments(SHOP)
    for _ in range(FAULTS_MOST // 2):
        impairments.apply(cut("web", "api"), 0)
    with pytest.raises(ImpairmentError, match="heal or release some first"):
        impairments.apply(cut("web", "api", oneway=True), 0)


options = st.fixed_dictionaries(
    {},
    optional={
        "delay": st.sampled_from(["0", "1ms", "20ms", "1s"]),
        "jitter": st.sampled_from(["0", "1ms", "20ms"]),
        "loss": st.sampled_from(["0", "1%", "100%"]),
        "gemodel": st.sampled_from(["0", "1% 10%"]),
        "rate": st.sampled_from(["0", "1mbit"]),
        "reorder": st.sampled_from(["0", "5%"]),
    },
)
steps = st.one_of(
    st.tuples(
        st.just("set"),
        options,
        st.sampled_from(LinkDirection),
        st.none() | st.integers(1, 5),
    ),
    st.tuples(st.just("reset")),
    st.tuples(st.just("wait"), st.integers(1, 4)),
)


def oracle(
    log: list[tuple[LinkChange, LinkDirection, float | None]], way: LinkDirection, now: float
) -> LinkParameters:
    """What one direction of the link is like, told from everything that was done to it."""
    parameters = WEB_API
    for change, direction, until in log:
        if direction in (way, LinkDirection.BOTH) and (until is None or until > now):
            parameters = change.applied_to(parameters)
    return feasible(parameters)


@calm
@given(st.lists(steps, max_size=25))
def test_any_changes_leave_what_a_plain_reckoning_says(script: list[tuple[object, ...]]) -> None:
    impairments, now = Impairments(SHOP), 0.0
    log: list[tuple[LinkChange, LinkDirection, float | None]] = []
    for step in script:
        match step:
            case ("wait", int(seconds)):
                now += seconds
                impairments.advance(now)
            case ("reset",):
                impairments.apply(ResetLink(first="web", second="api"), now)
                log.clear()
            case ("set", dict(texts), LinkDirection() as direction, int() | None as lasts):
                change = parse_change(texts)
                wanted = SetLink(
                    first="web",
                    second="api",
                    change=change,
                    direction=direction,
                    duration_s=lasts,
                )
                try:
                    impairments.apply(wanted, now)
                except OrchestratorError:
                    continue
                log.append((change, direction, None if lasts is None else now + lasts))
        state = link(impairments, "web", "api")
        assert state.forward == oracle(log, LinkDirection.FORWARD, now)
        assert state.backward == oracle(log, LinkDirection.BACKWARD, now)
        ends = [until for *_, until in log if until is not None and until > now]
        assert impairments.poll_at() == min(ends, default=None)


groups = st.lists(
    st.lists(st.sampled_from(["web", "web-1", "api", "api-2", "db", "x"]), max_size=3).map(tuple),
    max_size=4,
).map(tuple)
anything = st.one_of(
    st.builds(
        Part,
        kind=st.sampled_from(FaultKind),
        groups=groups,
        oneway=st.booleans(),
        name=st.none() | st.text(max_size=3),
        duration_s=st.none() | st.floats(0.1, 10),
    ),
    st.builds(Mend, kind=st.sampled_from(FaultKind), name=st.none() | st.just("partition-1")),
    st.builds(ResetLink, first=st.text(max_size=3), second=st.sampled_from(["web", "api"])),
)


@calm
@given(st.lists(st.tuples(anything, st.floats(0, 5)), max_size=30))
def test_any_faults_are_made_or_refused_and_a_node_can_apply_them(
    script: list[tuple[Impairment, float]],
) -> None:
    impairments, plan, now = Impairments(SHOP), plan_of(SHOP), 0.0
    for impairment, seconds in script:
        now += seconds
        impairments.advance(now)
        try:
            impairments.apply(impairment, now)
        except OrchestratorError as error:
            assert str(error)
        poll_at = impairments.poll_at()
        assert poll_at is None or poll_at > now
        faults = impairments.configuration(plan, set()).faults
        assert len(faults) <= FAULTS_MOST
        assert len({fault.name for fault in faults}) == len(faults)
        assert all(fault.sources and fault.targets for fault in faults)
        assert all(not set(fault.sources) & set(fault.targets) for fault in faults)
