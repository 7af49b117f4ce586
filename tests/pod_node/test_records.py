from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pod_node.records import LINE_BYTES, LineCutter, LogLines, Piece, format_piece, parse_records

TIME_S = 1_769_903_999.123456


def cut(chunks: list[bytes]) -> list[tuple[bytes, bool]]:
    cutter = LineCutter()
    pieces = [piece for chunk in chunks for piece in cutter.feed(chunk)] + cutter.flush()
    return [(line, piece.whole) for piece in pieces for line in piece.lines]


def test_a_line_is_complete_at_its_line_end() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"one\ntw") == [Piece([b"one"], whole=True)]
    assert cutter.feed(b"o\n") == [Piece([b"two"], whole=True)]
    assert cutter.flush() == []


def test_a_last_line_without_its_end_comes_out_at_the_flush() -> None:
    assert cut([b"one\ntwo"]) == [(b"one", True), (b"two", True)]


def test_empty_lines_are_lines() -> None:
    assert cut([b"\n\na\n"]) == [(b"", True), (b"", True), (b"a", True)]


def test_a_long_line_is_cut_into_pieces() -> None:
    line = b"x" * (2 * LINE_BYTES + 5)
    whole = [(b"x" * LINE_BYTES, False), (b"x" * LINE_BYTES, False), (b"x" * 5, True)]
    assert cut([line + b"\n"]) == whole
    assert cut([line]) == whole


def test_a_line_that_never_ends_does_not_stay_in_memory() -> None:
    cutter = LineCutter()
    sizes = [len(piece.lines[0]) for _ in range(100) for piece in cutter.feed(b"x" * 1000)]
    assert sum(sizes) > 100_000 - LINE_BYTES - 1000
    assert set(sizes) == {LINE_BYTES}


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_chunking_makes_no_difference(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(edge, len(content)) for edge in cuts), len(content)]
    chunks = [content[a:b] for a, b in itertools.pairwise(edges)]
    assert cut(chunks) == cut([content])
    assert b"\n".join(line for line, _ in cut([content])) == content.removesuffix(b"\n")


def test_a_record_looks_as_container_runtimes_write_it() -> None:
    records = format_piece(Piece([b"one", b"two"], whole=True), "stdout", TIME_S)
    assert records == (
        b"2026-01-31T23:59:59.123456Z stdout F one\n2026-01-31T23:59:59.123456Z stdout F two\n"
    )
    assert b" stderr P part\n" in format_piece(Piece([b"part"], whole=False), "stderr", TIME_S)


lines_strategy = st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), min_size=1)


@given(lines=lines_strategy, stream=st.sampled_from(["stdout", "stderr", "podnet"]))
def test_records_read_back_as_they_were_written(lines: list[bytes], stream: str) -> None:
    records = format_piece(Piece(lines, whole=True), stream, TIME_S)
    read = list(parse_records("web-1", records.splitlines(keepends=True), 0.0))
    if b"\r" not in records and b"\x0b" not in records and b"\x0c" not in records:
        assert [line for group in read for line in group.lines] == lines
        assert {group.stream for group in read} == {stream}


def test_reading_groups_records_of_one_time_and_stream() -> None:
    records = [
        b"2026-01-31T23:59:59.123456Z stdout F a\n",
        b"2026-01-31T23:59:59.123456Z stdout F b\n",
        b"2026-01-31T23:59:59.123456Z stderr F c\n",
    ]
    assert list(parse_records("p", records)) == [
        LogLines(pod="p", stream="stdout", time_s=TIME_S, lines=(b"a", b"b")),
        LogLines(pod="p", stream="stderr", time_s=TIME_S, lines=(b"c",)),
    ]


def test_reading_leaves_out_what_is_older() -> None:
    records = [b"2026-01-31T23:59:59.123456Z stdout F a\n"]
    assert list(parse_records("p", records, TIME_S + 1)) == []


@given(records=st.lists(st.binary(max_size=60)))
def test_reading_skips_what_is_no_record(records: list[bytes]) -> None:
    for lines in parse_records("p", records):
        assert lines.lines
