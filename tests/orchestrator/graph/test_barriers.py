from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.graph.barriers import barrier_text
from orchestrator.network.faults import FaultState
from vnet.configuration import FaultKind

WEB, API = ("web-1", "web-2"), ("api-1", "api-2")


def fault(
    *groups: tuple[str, ...], kind: FaultKind = FaultKind.CUT, oneway: bool = False
) -> FaultState:
    return FaultState(name="f", kind=kind, groups=groups, pods=groups, oneway=oneway)


HOLD = fault(WEB[:1], API, kind=FaultKind.HOLD)


@pytest.mark.parametrize(
    ("faults", "there", "back"),
    [
        ([], "", ""),
        ([fault(("gw-1",), API)], "", ""),
        ([fault(WEB, API)], "cut", "cut"),
        ([fault(API, ("gw-1",), WEB)], "cut", "cut"),
        ([fault(WEB, API, oneway=True)], "cut", ""),
        ([fault(API, WEB, oneway=True)], "", "cut"),
        ([fault(WEB[:1], API)], "partly cut", "partly cut"),
        ([fault(WEB[:1], API), fault(API, WEB[1:])], "cut", "cut"),
        ([fault(WEB, API, oneway=True), HOLD], "cut, partly held", "partly held"),
    ],
)
def test_what_faults_do_to_a_link_in_words(faults: list[FaultState], there: str, back: str) -> None:
    assert (barrier_text(WEB, API, faults), barrier_text(API, WEB, faults)) == (there, back)


def test_a_link_between_replicas_is_cut_when_all_pairs_are() -> None:
    assert barrier_text(WEB, WEB, [fault(WEB[:1], WEB[1:])]) == "cut"
    assert barrier_text(WEB[:1], WEB[:1], [fault(WEB, API)]) == ""


pods = st.sampled_from([*WEB, *API, "gw-1"])
groups = st.lists(pods, unique=True, min_size=1)
faults = st.builds(
    lambda placed, kind, oneway: FaultState(
        name="f",
        kind=kind,
        groups=(),
        pods=tuple(tuple(p for p, at in placed.items() if at == n) for n in (0, 1, 2)),
        oneway=oneway,
    ),
    st.dictionaries(pods, st.integers(0, 2)),
    st.sampled_from(FaultKind),
    st.just(value=False),
)


@given(sources=groups, targets=groups, now=st.lists(faults, max_size=3))
def test_each_pair_decides(sources: list[str], targets: list[str], now: list[FaultState]) -> None:
    pairs = [(a, b) for a in sources for b in targets if a != b]
    text = barrier_text(sources, targets, now)
    for kind, word in ((FaultKind.CUT, "cut"), (FaultKind.HOLD, "held")):
        apart = [
            any(
                a in one and b in other
                for f in now
                if f.kind is kind
                for one in f.pods
                for other in f.pods
                if one is not other
            )
            for a, b in pairs
        ]
        expected = word if apart and all(apart) else f"partly {word}" if any(apart) else ""
        assert [part for part in text.split(", ") if word in part] == [expected] * bool(expected)
