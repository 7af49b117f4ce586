from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.topology.link_change import (
    TRANSPARENT,
    LinkChange,
    LinkChangeError,
    change_from,
    contradictions,
    feasible,
)
from orchestrator.topology.link_options import parse_change
from orchestrator.topology.link_text import parameter_texts, summary
from orchestrator.topology.messages import message_for
from orchestrator.topology.problems import path_text
from orchestrator.topology.schema import ImpairmentsSection
from vnet.configuration import Distribution, GilbertElliott, LinkParameters

MS = 1_000_000
A_LINK = ("networks", "front", "link")
BASE = LinkParameters(
    delay_ns=20 * MS, jitter_ns=5 * MS, loss=0.01, rate_bit_s=10**7, mtu_bytes=900
)


def test_only_what_is_given_changes() -> None:
    merged = parse_change({"loss": "5%"}).applied_to(BASE)
    assert merged.loss == 0.05
    assert parse_change({"loss": "1%"}).applied_to(merged) == BASE


@pytest.mark.parametrize("key", ["jitter", "loss", "rate", "mtu"])
def test_zero_switches_one_thing_off(key: str) -> None:
    merged = parse_change({key: "0"}).applied_to(BASE)
    assert key not in parameter_texts(merged)
    assert parameter_texts(merged).keys() == parameter_texts(BASE).keys() - {key}


def test_loss_in_bursts_takes_the_place_of_loss_and_back() -> None:
    bursts = parse_change({"gemodel": "1% 10%"}).applied_to(BASE)
    assert bursts.gilbert_elliott == GilbertElliott(good_to_bad=0.01, bad_to_good=0.1)
    assert bursts.loss == 0
    assert parse_change({"loss": "1%"}).applied_to(bursts) == BASE
    assert parse_change({"gemodel": "0"}).applied_to(bursts).gilbert_elliott is None
    assert parse_change({"gemodel": "0"}).applied_to(BASE) == BASE
    both = parse_change({"gemodel": "1% 10%", "loss": "0"}).applied_to(BASE)
    assert both == bursts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delay": "20"}, 'delay: duration "20" has no unit; write for example "20s" or "20ms"'),
        ({"dela": "20ms"}, 'dela: unknown key "dela"; did you mean "delay"?'),
        ({"loss": "5"}, 'loss: percentage "5" has no unit; write "5%"'),
        ({"distribution": "norml"}, 'distribution: unknown value "norml"; did you mean "normal"?'),
        ({"gemodel": "x"}, 'gemodel: expected "P R 1-H 1-K"'),
        ({"gemodel": "1% x"}, "gemodel.r: expected a percentage"),
        ({"mtu": "70000"}, "mtu: must be between 576 and 65,535"),
        ({"rate": "x", "loss": "y"}, "loss: expected a percentage"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(options: dict[str, str], said: str) -> None:
    with pytest.raises(LinkChangeError) as refused:
        parse_change(options)
    assert said in str(refused.value)


def test_parameters_that_contradict_each_other_are_told_by_their_names() -> None:
    def blamed(**options: str) -> list[str]:
        change = parse_change(options)
        return [key for key, _ in contradictions(change, change.applied_to(TRANSPARENT))]

    assert blamed(jitter="1ms") == ["jitter"]
    assert blamed(jitter="2ms", delay="1ms", distribution="normal") == ["jitter"]
    assert blamed(reorder="1%") == ["reorder"]
    assert blamed(loss="1%", gemodel="1% 1%") == ["gemodel"]
    assert blamed(delay="1ms", jitter="1ms", reorder="1%", loss="1%") == []


def test_what_has_lost_its_ground_goes_too() -> None:
    lone = LinkParameters(
        jitter_ns=MS, distribution=Distribution.PARETO, reorder=0.1, queue_packets=5
    )
    assert feasible(lone) == TRANSPARENT
    assert feasible(BASE) == BASE


def test_parameters_are_summed_up_in_a_line() -> None:
    assert summary(TRANSPARENT) == ""
    assert summary(BASE) == "20ms \N{PLUS-MINUS SIGN}5ms, loss 1%, 10mbit, mtu 900"


fractions = st.integers(0, 10_000).map(lambda n: n / 10_000)
durations = st.integers(0, 10**12)
changes = st.builds(
    LinkChange,
    delay_ns=st.none() | durations,
    jitter_ns=st.none() | durations,
    distribution=st.none() | st.sampled_from(Distribution),
    loss=st.none() | fractions,
    gilbert_elliott=st.none()
    | st.builds(
        GilbertElliott,
        good_to_bad=fractions,
        bad_to_good=fractions,
        loss_in_bad=fractions,
        loss_in_good=fractions,
    ),
    rate_bit_s=st.none() | st.integers(0, 10**12),
    queue_packets=st.none() | st.integers(0, 1000),
    mtu_bytes=st.none() | st.just(0) | st.integers(576, 65_535),
    duplicate=st.none() | fractions,
    reorder=st.none() | fractions,
    corrupt=st.none() | fractions,
)


@given(changes)
def test_parameters_that_were_written_are_read_back(change: LinkChange) -> None:
    parameters = change.applied_to(TRANSPARENT)
    assert parse_change(parameter_texts(parameters)).applied_to(TRANSPARENT) == parameters


@given(changes, changes)
def test_a_change_is_the_same_made_twice(first: LinkChange, change: LinkChange) -> None:
    once = change.applied_to(first.applied_to(TRANSPARENT))
    assert change.applied_to(once) == once


@given(changes)
def test_what_is_left_of_any_parameters_contradicts_nothing(change: LinkChange) -> None:
    parameters = feasible(change.applied_to(TRANSPARENT))
    assert not [*contradictions(LinkChange(), parameters)]
    assert feasible(parameters) == parameters


words = st.text(max_size=6) | st.sampled_from(
    [
        "0",
        "00",
        "7",
        "1ms",
        "2h",
        "1%",
        "101%",
        "1kbit",
        "9tbit",
        "normal",
        "1% 2%",
        "1% 2% x",
        "576",
    ]
)


@given(st.dictionaries(st.sampled_from([*ImpairmentsSection.keys(), "x", "latency"]), words))
def test_a_command_line_is_read_as_a_file_is(options: dict[str, str]) -> None:
    change: LinkChange | list[tuple[str, str]]
    try:
        change = parse_change(options)
    except LinkChangeError as error:
        change = [*error.faults]
    assert change == read_as_file(options)


def read_as_file(options: dict[str, str]) -> LinkChange | list[tuple[str, str]]:
    try:
        return change_from(ImpairmentsSection.model_validate(dict(options)))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        for fault in faults:
            fault["loc"] = (*A_LINK, *fault["loc"])
        return [(path_text(fault["loc"][len(A_LINK) :]), message_for(fault)) for fault in faults]
