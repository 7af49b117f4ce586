from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.sides import parse_sides

names = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
sides = st.lists(st.lists(names, min_size=1, max_size=3).map(tuple), min_size=2, max_size=4).map(
    tuple
)


@given(wanted=sides)
def test_sides_with_commas_are_read_back(wanted: tuple[tuple[str, ...], ...]) -> None:
    assert parse_sides([",".join(side) for side in wanted]) == wanted


@given(wanted=sides, separator=st.sampled_from(["|", "/", ":", "--"]))
def test_sides_between_separators_are_read_back(
    wanted: tuple[tuple[str, ...], ...], separator: str
) -> None:
    words: list[str] = []
    for side in wanted:
        words += [separator, *side] if words else [*side]
    assert parse_sides(words) == wanted
    assert parse_sides([" ".join(words)]) == wanted, "as one quoted word"


def test_separators_need_no_spaces() -> None:
    assert parse_sides(["a,b|c"]) == (("a", "b"), ("c",))


@pytest.mark.parametrize("words", [["web"], ["web", "|"], ["web,", "api"], ["|"], [","], [""]])
def test_a_side_without_anybody_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"write for example|needs two sides"):
        parse_sides(words)


@given(words=st.lists(st.text(max_size=8), max_size=4))
def test_no_words_give_an_empty_side(words: list[str]) -> None:
    try:
        found = parse_sides(words)
    except ValueError:
        return
    assert len(found) >= 2
    assert all(side and all(side) for side in found)
