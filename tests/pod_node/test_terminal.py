"""The line discipline: what is typed, seen, read and signalled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.terminal import (
    LINE_MOST,
    Echo,
    Effect,
    End,
    LineDiscipline,
    Modes,
    Ready,
    Signal,
    shown,
)

COOKED = Modes()


def typed(data: bytes, modes: Modes = COOKED) -> list[Effect]:
    return LineDiscipline().type(data, modes)


@pytest.mark.parametrize(
    ("keys", "effects"),
    [
        (b"ls\r", [Echo(b"ls\r\n"), Ready(b"ls\n")]),
        (b"ls\n", [Echo(b"ls\r\n"), Ready(b"ls\n")]),
        (b"lx\x7fs\r", [Echo(b"lx\b \bs\r\n"), Ready(b"ls\n")]),
        (b"\xc3\xa4\x7fo\r", [Echo(b"\xc3\xa4\b \bo\r\n"), Ready(b"o\n")]),
        (b"a b\x17c\r", [Echo(b"a b\b \bc\r\n"), Ready(b"a c\n")]),
        (b"abc\x15d\r", [Echo(b"abc\b \b\b \b\b \bd\r\n"), Ready(b"d\n")]),
        (b"\x7f\x17\x15", []),
        (b"\x16\x03\r", [Echo(b"^C\r\n"), Ready(b"\x03\n")]),
        (b"\x1b[A", [Echo(b"^[[A")]),
        (b"half\x03", [Echo(b"half^C"), Signal(2)]),
        (b"half\x1c", [Echo(b"half^\\"), Signal(3)]),
        (b"\x04", [End()]),
        (b"half\x04", [Echo(b"half"), Ready(b"half")]),
    ],
)
def test_keys_do_what_they_do_on_linux(keys: bytes, effects: list[Effect]) -> None:
    assert typed(keys) == effects


def test_an_interrupt_takes_the_line_away() -> None:
    assert typed(b"half\x03whole\r")[-1] == Ready(b"whole\n")


def test_a_program_can_turn_off_the_echo() -> None:
    assert typed(b"secret\r", Modes(echo=False)) == [Ready(b"secret\n")]


def test_without_lines_every_key_comes_as_it_is_typed() -> None:
    modes = Modes(echo=False, canonical=False)
    assert typed(b"a\x7f\x04\r", modes) == [Ready(b"a\x7f\x04\n")]
    assert typed(b"\x03", modes) == [Signal(2)]
    assert typed(b"\x03", Modes(echo=False, canonical=False, signals=False)) == [Ready(b"\x03")]


def test_a_line_that_was_begun_is_kept_when_lines_are_turned_off() -> None:
    discipline = LineDiscipline()
    discipline.type(b"ab", Modes(echo=False))
    assert discipline.type(b"c", Modes(echo=False, canonical=False)) == [Ready(b"abc")]


def test_a_line_has_an_end() -> None:
    effects = typed(b"x" * (LINE_MOST + 3) + b"\r", Modes(echo=False))
    assert effects == [Ready(b"x" * LINE_MOST + b"\n")]


def test_output_brings_the_carriage_back() -> None:
    assert shown(b"a\nb\n") == b"a\r\nb\r\n"


@given(chunks=st.lists(st.binary(max_size=40), max_size=20), modes=st.builds(Modes))
def test_any_keys_are_taken_whole_or_in_parts(chunks: list[bytes], modes: Modes) -> None:
    def outcome(parts: list[bytes]) -> tuple[bytes, bytes]:
        discipline = LineDiscipline()
        effects = [effect for part in parts for effect in discipline.type(part, modes)]
        ready = b"".join(effect.data for effect in effects if isinstance(effect, Ready))
        echo = b"".join(effect.data for effect in effects if isinstance(effect, Echo))
        return ready, echo

    assert outcome(chunks) == outcome([b"".join(chunks)])
