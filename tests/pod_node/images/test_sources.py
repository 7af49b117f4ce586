"""Source strings: what is taken, what is refused, and that writing them back changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.images.sources import (
    FileSource,
    NpmSource,
    PypiSource,
    UrlSource,
    parse_source,
)

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
NPM_NAMES = st.from_regex(r"(@[a-z0-9]{1,5}/)?[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][A-Za-z0-9.]{0,6}", fullmatch=True)
PART = st.from_regex(r"[A-Za-z0-9_+@ -][A-Za-z0-9_+.@ -]{0,8}", fullmatch=True)
MEMBERS = st.lists(PART, min_size=1, max_size=4).map("/".join)
SOURCES = st.one_of(
    st.builds(PypiSource, NAMES, VERSIONS, MEMBERS),
    st.builds(NpmSource, NPM_NAMES, VERSIONS, MEMBERS),
    st.builds(FileSource, MEMBERS),
    st.builds(UrlSource, MEMBERS.map(lambda path: f"https://host/{path}".replace(" ", ""))),
)


@given(SOURCES)
def test_a_source_written_out_and_read_again_is_the_same(
    source: PypiSource | NpmSource | FileSource | UrlSource,
) -> None:
    assert parse_source(str(source)) == source


@given(st.text())
def test_any_text_is_a_source_that_reads_back_or_a_value_error(text: str) -> None:
    try:
        source = parse_source(text)
    except ValueError as error:
        assert str(error)
    else:
        assert str(source) == text


@given(st.sampled_from(["pypi:", "npm:", "https:", "https://", "file:"]), st.text())
def test_any_text_after_a_known_scheme_is_a_source_or_a_value_error(scheme: str, rest: str) -> None:
    try:
        source = parse_source(scheme + rest)
    except ValueError:
        return
    assert str(source) == scheme + rest
    if isinstance(source, PypiSource | NpmSource):
        assert not source.name.startswith("-")
        assert not source.version.startswith("-")
        assert ".." not in source.member.split("/")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("python", "no scheme"),
        ("ftp://host/a.wasm", "unknown scheme 'ftp'"),
        ("pypi:name#member", "no exact name and version"),
        ("pypi:name>=1#member", "no exact name and version"),
        ("pypi:--index-url==1#member", "no exact name and version"),
        ("pypi:name==1", "no plain path"),
        ("pypi:name==1#../escape", "no plain path"),
        ("pypi:name==1#/etc/passwd", "no plain path"),
        ("npm:name#member", "no exact name and version"),
        ("npm:@scope/name@1#a//b", "no plain path"),
        ("file:", "names no file"),
        ("https:host/a.wasm", "no https address"),
        ("https://user:secret@host/a.wasm", "must not hold a password"),
        ("https://host/a b.wasm", "no https address"),
    ],
)
def test_a_wrong_source_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_source(text)


def test_a_password_in_an_address_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="password") as caught:
        parse_source("https://user:secret@host/a.wasm")
    assert "secret" not in str(caught.value)
