"""Kept logs of many pods, read in the order of time."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pod_node.history import BLOCK_BYTES, KeptLog, LogWish, merged
from pod_node.logfile import LogFile
from pod_node.records import LogLines, Piece, format_piece

Written = list[tuple[str, int]]
"""Pods and the seconds at which each wrote a line that says the second."""

written = st.lists(st.tuples(st.sampled_from(["web-1", "web-2", "api-1"]), st.integers(1, 50)))


def write(folder: Path, lines: Written, *, file_bytes: int = 400) -> None:
    files = {pod: LogFile(folder / f"{pod}.log", file_bytes, files=50) for pod, _ in lines}
    for pod, second in lines:
        piece = Piece([f"{pod} at {second}".encode()], whole=True)
        files[pod].write(format_piece(piece, "stdout", float(second)))


def read(folder: Path, wish: LogWish) -> list[LogLines]:
    with ExitStack() as stack:
        pods = sorted({path.name.partition(".")[0] for path in folder.iterdir()})
        logs = [KeptLog(pod, LogFile(folder / f"{pod}.log", 400, 50), stack) for pod in pods]
        return list(merged([log for pod, log in zip(pods, logs, strict=True)], wish))


def texts(groups: list[LogLines]) -> list[tuple[str, bytes]]:
    return [(group.pod, line) for group in groups for line in group.lines]


@given(lines=written)
def test_all_lines_come_out_once_and_in_the_order_of_time(lines: Written) -> None:
    lines = sorted(lines, key=lambda line: line[1])
    with TemporaryDirectory() as name:
        write(Path(name), lines)
        groups = read(Path(name), LogWish())
    assert all(a.time_s <= b.time_s for a, b in pairwise(groups))
    assert sorted(texts(groups)) == sorted((pod, f"{pod} at {at}".encode()) for pod, at in lines)


@given(
    lines=written,
    tail=st.none() | st.integers(0, 60),
    since=st.integers(0, 60),
    until=st.none() | st.integers(1, 60),
)
def test_a_reader_gets_each_pods_last_lines_of_the_time_that_it_asks_for(
    lines: Written, tail: int | None, since: int, until: int | None
) -> None:
    lines = sorted(lines, key=lambda line: line[1])
    expected: list[tuple[str, bytes]] = []
    for pod in {pod for pod, _ in lines}:
        own = [at for name, at in lines if name == pod and (until is None or at <= until)]
        last = own if tail is None else own[len(own) - min(tail, len(own)) :]
        expected += [(pod, f"{pod} at {at}".encode()) for at in last if at >= since]
    with TemporaryDirectory() as name:
        write(Path(name), lines)
        wish = LogWish(
            tail=tail, since_s=float(since), until_s=None if until is None else float(until)
        )
        assert sorted(texts(read(Path(name), wish))) == sorted(expected)


def test_the_last_lines_are_found_in_lines_longer_than_a_block(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web-1.log")
    long = b"x" * (2 * BLOCK_BYTES)
    for second, text in enumerate([b"first", long, b"last"], start=1):
        file.write(format_piece(Piece([text], whole=True), "stdout", float(second)))
    with ExitStack() as stack:
        log = KeptLog("web-1", file, stack)
        for tail, expected in [(1, [b"last"]), (2, [long, b"last"])]:
            groups = merged([log], LogWish(tail=tail))
            assert [line for group in groups for line in group.lines] == expected


def test_what_is_written_after_the_opening_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, [("web-1", 1)])
    with ExitStack() as stack:
        log = KeptLog("web-1", LogFile(tmp_path / "web-1.log", 400, 50), stack)
        write(tmp_path, [("web-1", at) for at in range(2, 40)])
        assert texts(list(log.read(LogWish()))) == [("web-1", b"web-1 at 1")]


def test_services_stand_for_their_pods_to_come() -> None:
    wish = LogWish(services=frozenset({"web"}), pods=frozenset({"api-2"}))
    assert [pod for pod in ("web-1", "web-9", "api-1", "api-2") if wish.wants(pod)] == [
        "web-1",
        "web-9",
        "api-2",
    ]
    assert LogWish().wants("anybody-1")
