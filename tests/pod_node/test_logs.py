from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from pod_node import logs
from pod_node.history import LogWish
from pod_node.logfile import LogFile
from pod_node.logs import LogBook, LogTrouble
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


WEB = frozenset({"web-1"})


@asynccontextmanager
async def running(book: LogBook) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(book.run())
        try:
            yield
        finally:
            book.close()


@pytest.fixture
def troubles() -> list[LogTrouble]:
    return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000_000.0)


@pytest.fixture
async def book(tmp_path: Path, troubles: list[LogTrouble], clock: FakeClock) -> LogBook:
    return LogBook(tmp_path / "logs", troubles.append, clock)


def texts(path: Path) -> list[str]:
    return [line.split(" ", 3)[3] for line in path.read_text("latin-1").splitlines()]


async def test_lines_end_up_in_the_pods_file(book: LogBook, tmp_path: Path) -> None:
    async with running(book):
        book.begin("web-1")
        book.write("web-1", 1, b"hello\nwor")
        book.write("web-1", 2, b"oh\n")
        book.write("web-1", 1, b"ld\nrest")
        book.end("web-1")
    path = tmp_path / "logs" / "web-1.log"
    assert texts(path) == ["hello", "oh", "world", "rest"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_second_life_goes_on_in_the_same_file(book: LogBook, tmp_path: Path) -> None:
    async with running(book):
        for life in (b"first\n", b"second\n"):
            book.begin("web-1")
            book.write("web-1", 1, life)
            book.end("web-1")
    assert texts(tmp_path / "logs" / "web-1.log") == ["first", "second"]


async def test_the_last_line_of_stderr_is_at_hand_at_once(book: LogBook) -> None:
    book.begin("web-1")
    assert book.last_error_line("web-1") == ""
    book.write("web-1", 2, b"Traceback\n" + b"x" * 5000 + b"\n  ValueError: no \n\n")
    book.write("web-1", 1, b"not this\n")
    assert book.last_error_line("web-1") == "ValueError: no"
    book.begin("web-1")
    assert book.last_error_line("web-1") == ""


async def test_a_follower_sees_what_was_kept_and_what_comes_each_once(book: LogBook) -> None:
    async with running(book):
        book.begin("web-1")
        book.begin("api-1")
        book.write("web-1", 1, b"before\n")
        seen: list[bytes] = []
        async with aclosing(book.read(LogWish(follow=True))) as reading:
            async for lines, lost in reading:
                assert lost == 0
                seen.extend(lines.lines)
                if seen == [b"before"]:
                    book.write("api-1", 1, b"after\n")
                if b"after" in seen:
                    break
    assert seen == [b"before", b"after"]


async def test_reading_can_be_of_one_pod_and_of_its_last_lines_only(book: LogBook) -> None:
    async with running(book):
        book.begin("web-1")
        book.begin("api-1")
        book.write("web-1", 1, b"1\n2\n3\n")
        book.write("api-1", 1, b"other\n")
    async with aclosing(book.read(LogWish(pods=WEB, tail=2))) as reading:
        assert [lines.lines async for lines, _ in reading] == [(b"2", b"3")]


async def test_a_follower_of_one_pod_hears_nothing_of_others(book: LogBook) -> None:
    async with running(book):
        book.begin("web-1")
        book.begin("api-1")
        book.write("api-1", 1, b"other\n")
        book.write("web-1", 1, b"mine\n")
        async with aclosing(book.read(LogWish(pods=WEB, tail=0, follow=True))) as reading:
            lines, _ = await anext(reading)
    assert lines.pod == "web-1"


async def test_a_flood_is_dropped_beyond_its_bound_and_says_so(
    book: LogBook, tmp_path: Path
) -> None:
    line = b"y" * 99 + b"\n"
    chunk = line * 655
    for _ in range(200):
        book.begin("web-1")
        book.write("web-1", 1, chunk)
    kept = 0
    notes: list[str] = []
    reading = book.read(LogWish(pods=WEB, tail=0, follow=True))
    async with running(book), aclosing(reading) as following:
        async for lines, _ in following:
            if lines.stream == "podnet":
                notes.extend(line.decode() for line in lines.lines)
            kept += sum(len(line) + 1 for line in lines.lines if lines.stream == "stdout")
            if kept > logs.PENDING_BYTES * 0.95 and notes:
                break
    dropped = int(notes[0].split(" ")[0])
    assert dropped >= 200 * len(chunk) - logs.PENDING_BYTES
    assert "were dropped" in notes[0]


async def test_a_guest_that_writes_byte_by_byte_costs_little_memory(book: LogBook) -> None:
    book.begin("web-1")
    for _ in range(3000):
        book.write("web-1", 1, b"x")
    assert len(book._pods["web-1"].pending) == 1


async def test_two_streams_in_turn_are_bounded_by_what_they_cost(book: LogBook) -> None:
    book.begin("web-1")
    for _ in range(20_000):
        book.write("web-1", 1, b"x")
        book.write("web-1", 2, b"x")
    pending = book._pods["web-1"].pending
    assert len(pending) * logs.CHUNK_BYTES <= logs.PENDING_BYTES


async def test_a_full_disk_stops_the_file_and_nothing_else(
    book: LogBook, troubles: list[LogTrouble], clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "logs" / "web-1.log"
    path.symlink_to("/dev/full")  # a symbolic link is refused as a full disk would be
    async with running(book):
        book.begin("web-1")
        async with aclosing(book.read(LogWish(pods=WEB, tail=0, follow=True))) as reading:
            book.write("web-1", 1, b"lost\n")
            assert (await anext(reading))[0].lines == (b"lost",)
            assert [(t.pod, t.path) for t in troubles] == [("web-1", path)]
            book.write("web-1", 1, b"lost, too\n")
            await anext(reading)
            assert len(troubles) == 1, "one notice until the next try"
            path.unlink()
            clock.advance(logs.RETRY_S)
            book.write("web-1", 1, b"kept again\n")
            await anext(reading)
    assert texts(path) == ["kept again"]


@pytest.fixture
def small(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "p.log", file_bytes=10, files=3)


def test_files_turn_over_and_the_oldest_goes(small: LogFile, tmp_path: Path) -> None:
    for records in (b"1111111\n", b"2222222\n", b"3333333\n", b"4444444\n"):
        small.write(records)
    contents = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert contents == {"p.log": b"4444444\n", "p.log.1": b"3333333\n", "p.log.2": b"2222222\n"}
    assert list(small.read_lines()) == [b"2222222\n", b"3333333\n", b"4444444\n"]


def test_records_go_on_in_a_file_with_room(small: LogFile, tmp_path: Path) -> None:
    small.write(b"1111\n")
    small.write(b"2222\n")
    assert (tmp_path / "p.log").read_bytes() == b"1111\n2222\n"


def test_a_log_file_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "p.log").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        LogFile(tmp_path / "p.log").write(b"x\n")
    assert victim.read_text() == "precious"
