from __future__ import annotations

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.topology.composer import compose
from orchestrator.topology.document import MAX_DEPTH, Mapping, Scalar, locate, split_lines, to_plain
from orchestrator.topology.problems import Mark

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])


def faults_of(text: str) -> list[str]:
    _, faults = compose(text)
    return [f"{fault.mark.line}:{fault.mark.column} {fault.message}" for fault in faults]


def plain_of(text: str) -> object:
    node, faults = compose(text)
    assert not faults
    assert node is not None
    return to_plain(node)


def test_scalars_stay_text_whatever_they_look_like() -> None:
    text = "{a: 1.10, b: no, c: 012, d: 1:30, e: 2001-01-01, f: !!int 7}"
    expected = {"a": "1.10", "b": "no", "c": "012", "d": "1:30", "e": "2001-01-01", "f": "7"}
    assert plain_of(text) == expected


def test_only_a_plain_null_is_nothing() -> None:
    text = "{a: , b: ~, c: null, d: '', e: 'null', f: !!null x, g: ! ~}"
    expected = {"a": None, "b": None, "c": None, "d": "", "e": "null", "f": None, "g": "~"}
    assert plain_of(text) == expected


def test_merge_keys_give_way_to_keys_that_are_written() -> None:
    text = """
one: &one {a: "1", b: "1"}
two: &two {b: "2", c: "2"}
both: {<<: [*one, *two], c: "3"}
"""
    document = plain_of(text)
    assert isinstance(document, dict)
    assert document["both"] == {"a": "1", "b": "1", "c": "3"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", '3:1 duplicate key "a"; it is already on line 1'),
        ("a: [1, 2", "1:9 not YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("a: *b", "1:4 alias *b has no anchor &b before it"),
        ("a: &b [*b]", "1:8 alias *b stands inside the value that it names"),
        ("a: !!python/object:os.x {}", '1:4 the tag "tag:yaml.org,2002:python/object:os.x" is'),
        ("a: !reset 1", '1:4 the tag "!reset" is not supported'),
        ("? [a]\n: b", "1:3 a key must be a word"),
        ("<<: 1", '1:1 "<<" merges a mapping'),
        ("a: b\n---\nc: d", "2:1 a second document starts here"),
        ('a: "\\0"', "1:4 the text contains a NUL character"),
        ('a: "\\ud800"', "1:4 the text contains half of a surrogate pair"),
        ('a: "\\UFFFFFFFF"', "1:"),
        ("a: \x07", "1:4 not YAML: the character U+0007 is not allowed"),
        ("a:\n\tb: c", "2:1 not YAML: while scanning for the next token"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, fault: str) -> None:
    (told,) = faults_of(text)
    assert told.startswith(fault)


def test_every_duplicate_is_told() -> None:
    assert len(faults_of("{a: 1, a: 2, b: {c: 1, c: 2}, a: 3}")) == 3


def test_deep_nesting_ends_with_a_fault() -> None:
    (told,) = faults_of("[" * 100_000)
    assert told == f"1:{MAX_DEPTH + 2} nested more than {MAX_DEPTH} levels deep"


def test_an_alias_bomb_ends_with_a_fault() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (told,) = faults_of("\n".join(lines))
    assert told.endswith("more than 100,000 values once aliases are followed")


def test_an_empty_text_has_no_document() -> None:
    assert compose("# nothing\n") == (None, [])


@calm
@given(st.text() | st.text(alphabet="ab&*<:!?-[]{},|>\"'\\%#\n\t 0U", max_size=60))
def test_any_text_gives_a_tree_or_faults_within_it(text: str) -> None:
    _, faults = compose(text)
    lines = split_lines(text)
    assert all(1 <= fault.mark.line <= len(lines) + 1 for fault in faults)


def test_a_path_leads_to_keys_of_collections_and_to_values_of_texts() -> None:
    node, _ = compose("services:\n  web:\n    image: python\n    environment: [A=1, B=2]\n")
    assert isinstance(node, Mapping)
    assert locate(node, ("services", "web")) == Mark(2, 3)
    assert locate(node, ("services", "web", "image")) == Mark(3, 12)
    assert locate(node, ("services", "web", "image"), at_key=True) == Mark(3, 5)
    assert locate(node, ("services", "web", "environment", "B")) == Mark(4, 24)
    assert locate(node, ("services", "web", "deploy", "replicas")) == Mark(2, 3)


def test_an_aliased_value_is_where_it_was_written() -> None:
    node, _ = compose("x: &x\n  image: python\ny: *x\n")
    assert isinstance(node, Mapping)
    assert locate(node, ("y", "image")) == Mark(2, 10)
    assert isinstance(node.entries["y"].value, Mapping)
    assert isinstance(node.entries["y"].value.entries["image"].value, Scalar)
