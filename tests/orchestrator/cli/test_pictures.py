from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.pictures import (
    QUIET_ZONE,
    clean,
    log_lines,
    pod_rows,
    qr_picture,
    seconds,
    table,
)
from orchestrator.views.phases import Phase, PodView
from tests.support.pods import exited, make_spec

SGR = re.compile(r"\x1b\[[0-9;]*m")


@given(line=st.binary(max_size=80), colours=st.booleans())
def test_no_guest_can_move_the_cursor(line: bytes, colours: bool) -> None:
    text = clean(line, colours=colours)
    if colours:
        text = SGR.sub("", text)
    assert all(char.isprintable() or char == "\t" or ord(char) > 0x9F for char in text)


def test_colours_stay_on_a_terminal_and_go_in_a_pipe() -> None:
    line = b"\x1b[31mred\x1b[0m \x1b[2Jgone\r"
    assert clean(line, colours=True) == "\x1b[31mred\x1b[0m \ufffd[2Jgone"
    assert clean(line, colours=False) == "red \ufffd[2Jgone"


def test_lines_stand_behind_their_pods_name() -> None:
    text = log_lines("web-1", [b"a", b"b"], width=7, colour=None)
    assert text == "web-1   | a\nweb-1   | b\n"


def test_a_colour_that_a_guest_left_on_ends_with_its_line() -> None:
    text = log_lines("web-1", [b"\x1b[31mred"], width=5, colour=36)
    assert text.endswith("\x1b[31mred\x1b[0m\n")


def test_the_table_says_how_pods_are() -> None:
    views = [
        PodView(spec=make_spec("web-1"), phase=Phase.HEALTHY, boot_s=0.0431, ready_s=1.25),
        PodView(
            spec=make_spec("a-1", image="file:/x/own.wasm", network=None),
            phase=Phase.EXITED,
            exit=exited(2),
            reason="can't open file",
            restarts=3,
        ),
    ]
    assert table(pod_rows(views), colours=False).splitlines() == [
        "NAME   IMAGE     ADDRESS    STATE                                      BOOT",
        "web-1  python    127.0.0.1  healthy                                    1.2 s",
        "a-1    own.wasm  -          exited (2), restarted 3x: can't open file  -",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0014, "1 ms"), (0.9, "900 ms"), (12.34, "12.3 s")]
)
def test_times_are_short(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_a_qr_code_is_a_rectangle_of_half_blocks_with_a_quiet_zone() -> None:
    lines = qr_picture("http://abcdefghijklmnop-web-8080.localhost:40000/")
    assert {len(line) for line in lines} == {len(lines[0])}
    assert set("".join(lines)) == set(" ▀▄█")
    assert lines[0] == "█" * len(lines[0])
    assert all(line.startswith("█" * QUIET_ZONE) for line in lines)
    assert len(lines) <= 20, "it fits on a terminal of 24 lines"


def modules(lines: list[str]) -> list[list[bool]]:
    """Read a picture back: True is a dark module."""
    upper = {" ": True, "▄": True, "▀": False, "█": False}
    lower = {" ": True, "▀": True, "▄": False, "█": False}
    return [[half[char] for char in line] for line in lines for half in (upper, lower)]


def test_a_qr_code_shows_the_modules_of_the_code() -> None:
    import segno

    url = "http://localhost:8080/"
    code = segno.make_qr(url, error="l", boost_error=False)
    expected = [[bool(m) for m in row] for row in code.matrix_iter(border=QUIET_ZONE)]
    assert modules(qr_picture(url))[: len(expected)] == expected
