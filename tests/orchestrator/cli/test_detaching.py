"""The keys that detach a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.detaching import DEFAULT_KEYS, DetachKeys, read_keys

letters = st.text("ab", max_size=12).map(str.encode)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DEFAULT_KEYS, b"\x10\x11"),
        ("a,Z", b"aZ"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1b\x1c\x1d\x1e\x1f"),
    ],
)
def test_keys_are_written_as_docker_has_them(text: str, keys: bytes) -> None:
    assert read_keys(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "ctrl-P", "alt-p", "a,", "ab", "ctrl-pq"])
def test_other_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there is no key"):
        read_keys(text)


@given(st.text("ab", min_size=1, max_size=4).map(str.encode), st.lists(letters, max_size=6))
def test_everything_before_the_keys_is_passed_on_once(keys: bytes, typed: list[bytes]) -> None:
    detaching, passed, found = DetachKeys(keys), b"", False
    for data in typed:
        more, found = detaching.type(data)
        passed += more
        if found:
            break
    everything = b"".join(typed)
    assert found is (keys in everything)
    if found:
        assert passed == everything[: everything.index(keys)]
    else:
        held = everything.removeprefix(passed)
        assert everything == passed + held
        assert keys.startswith(held)
        assert len(held) < len(keys)
