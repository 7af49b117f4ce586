"""Processes of one pod: spawned, connected by pipes, waited for, signalled."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from pod_node.spec import ExitKind, Limits
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FileType, Subscription
from tests.support.wat import Op

T = TypeVar("T")
SCRATCH = 4096


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


@pytest.fixture
async def child(pods: Lab, guest: Puppet) -> Puppet:
    return await pods.spawn_puppet(guest)


def exited(status: int) -> int:
    return status << 8


async def signalled(guest: Puppet, child: Puppet, waiting: Coroutine[object, object, T]) -> T:
    """Send a child signals until its wait has ended: the first may come before it begins."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(waiting)
        while not task.done():
            await guest.checked("proc_kill", child.number, signal.SIGTERM)
            await asyncio.sleep(0)
    return task.result()


async def test_the_first_process_is_number_1_and_has_no_parent(guest: Puppet) -> None:
    assert (await guest.own_id(0), await guest.own_id(1), await guest.own_id(2)) == (1, 0, 1)
    assert await guest.call("proc_id", 3, SCRATCH) is Errno.INVAL
    assert await guest.call("proc_id", 0, 0xFFFFFFFF) is Errno.FAULT


async def test_a_child_has_the_next_number_and_its_parent_s(guest: Puppet, child: Puppet) -> None:
    assert (child.number, await child.own_id(0), await child.own_id(1)) == (2, 2, 1)
    assert await child.own_id(2) == 1


async def test_a_parent_hears_how_its_child_ended(guest: Puppet, child: Puppet) -> None:
    child.start("proc_exit", 7)
    assert await guest.wait(0) == (2, exited(7))
    assert await guest.call("proc_wait", 0, 0, SCRATCH, SCRATCH + 4) is Errno.CHILD


async def test_who_does_not_wait_hears_that_nobody_has_ended_yet(
    guest: Puppet, child: Puppet
) -> None:
    assert await guest.wait(0, 1) == (0, 0)
    assert await guest.wait(2, 1) == (0, 0)
    assert await guest.call("proc_wait", 3, 1, SCRATCH, SCRATCH + 4) is Errno.CHILD
    assert await guest.call("proc_wait", 0, 2, SCRATCH, SCRATCH + 4) is Errno.INVAL


async def test_a_wait_blocks_until_that_child_ends(pods: Lab, guest: Puppet) -> None:
    first, second = await pods.spawn_puppet(guest), await pods.spawn_puppet(guest)
    guest.start("proc_wait", second.number, 0, SCRATCH, SCRATCH + 4)
    first.start("proc_exit", 1)
    await first.gone()
    second.start("proc_exit", 2)
    assert await guest.answer() == Errno.SUCCESS
    assert await guest.peek_u32(SCRATCH) == second.number
    assert await guest.peek_u32(SCRATCH + 4) == exited(2)
    assert await guest.wait(0) == (first.number, exited(1))


async def test_a_child_that_traps_shows_the_signal_of_a_crash(guest: Puppet, child: Puppet) -> None:
    child.tell(Op.UNREACHABLE)
    assert await guest.wait(2) == (2, signal.SIGABRT)


async def test_bytes_go_through_a_pipe_from_child_to_parent(pods: Lab, guest: Puppet) -> None:
    reader, writer = await guest.pipe()
    child = await pods.spawn_puppet(guest, f"f1 {writer}")
    await guest.close(writer)
    await child.write(1, b"from the child")
    assert await guest.read(reader) == b"from the child"
    child.start("proc_exit", 0)
    assert await guest.read(reader) == b""
    assert await guest.wait(2) == (2, 0)


async def test_a_reader_that_nobody_has_any_more_breaks_the_pipe(pods: Lab, guest: Puppet) -> None:
    reader, writer = await guest.pipe()
    child = await pods.spawn_puppet(guest, f"f0 {reader}")
    await guest.close(reader)
    assert await guest.write(writer, b"x") == 1
    child.start("proc_exit", 0)
    assert await guest.wait(2) == (2, 0)
    assert await guest.try_write(writer, b"x") is Errno.PIPE


async def test_what_a_child_prints_is_the_pod_s(pods: Lab, guest: Puppet, child: Puppet) -> None:
    await child.write(1, b"out of the child")
    await guest.guest.printed(b"out of the child")


async def test_descriptors_are_placed_and_closed_as_the_request_says(
    pods: Lab, guest: Puppet
) -> None:
    reader, writer = await guest.pipe()
    child = await pods.spawn_puppet(guest, f"f40 {reader}", f"f41 {writer}", "c2", "c41")
    assert (await child.fdstat(40)).filetype is FileType.CHARACTER_DEVICE
    assert await child.call("fd_fdstat_get", 41, SCRATCH) is Errno.BADF
    connection = await child.fdstat(2)
    assert connection.filetype is FileType.SOCKET_STREAM, "2 was free for its connection"
    await guest.write(writer, b"shared")
    assert await child.read(40) == b"shared"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"", Errno.INVAL),
        (b"aprogram", Errno.INVAL),
        (b"e\0", Errno.INVAL),
        (b"\0", Errno.INVAL),
        (b"aprogram\0x\0", Errno.INVAL),
        (b"aprogram\0f1\0", Errno.INVAL),
        (b"aprogram\0f1 2 3\0", Errno.INVAL),
        (b"aprogram\0f1 99\0", Errno.BADF),
        (b"aprogram\0f99999999 1\0", Errno.BADF),
        (b"aprogram\0f99999999999 1\0", Errno.INVAL),
        (b"a\0", Errno.INVAL),
        (b"a\xff\0", Errno.INVAL),
        (b"aprogram\0ename\0", Errno.INVAL),
        (b"aprogram\0e=value\0", Errno.INVAL),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    guest: Puppet, request_: bytes, error: Errno
) -> None:
    guest.poke(BUFFER, request_)
    assert await guest.call("proc_spawn", BUFFER, len(request_), SCRATCH) is error
    assert await guest.call("proc_wait", 0, 0, SCRATCH, SCRATCH + 4) is Errno.CHILD


async def test_a_request_must_be_the_guest_s_and_not_too_long(guest: Puppet) -> None:
    assert await guest.call("proc_spawn", 0xFFFFFF00, 0x200, SCRATCH) is Errno.FAULT
    assert await guest.call("proc_spawn", BUFFER, 1 << 30, SCRATCH) is Errno.TOOBIG
    assert await guest.call("proc_spawn", BUFFER, 8, 0xFFFFFFFF) is Errno.FAULT


async def test_texts_stay_with_their_process(guest: Puppet) -> None:
    request = f"aprogram\0f1 {await guest.open_net('hostname')}\0".encode()
    guest.poke(BUFFER, request)
    assert await guest.call("proc_spawn", BUFFER, len(request), SCRATCH) is Errno.NOTSUP


async def test_past_its_limit_a_pod_gets_no_more_processes(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(processes=2))
    child = await pods.spawn_puppet(guest)
    assert await guest.try_spawn("program") is Errno.AGAIN
    child.start("proc_exit", 0)
    await child.gone()
    assert await guest.try_spawn("program") is Errno.AGAIN, "a zombie counts"
    assert await guest.wait(0) == (2, 0)
    assert (await pods.spawn_puppet(guest)).number == 3


async def test_with_its_first_process_a_pod_ends(pods: Lab, guest: Puppet) -> None:
    children = [await pods.spawn_puppet(guest) for _ in range(3)]
    await pods.spawn_puppet(children[0])
    guest.start("proc_exit", 5)
    end = await guest.end()
    assert (end.kind, end.status) == (ExitKind.EXITED, 5)


async def test_a_child_outlives_its_parent_and_is_waited_for_by_nobody(
    pods: Lab, guest: Puppet, child: Puppet
) -> None:
    grandchild = await pods.spawn_puppet(child)
    assert await grandchild.own_id(1) == child.number
    child.start("proc_exit", 0)
    assert await guest.wait(0) == (2, 0)
    assert await grandchild.own_id(1) == 1
    grandchild.start("proc_exit", 0)
    await grandchild.gone()
    assert await guest.call("proc_wait", 0, 1, SCRATCH, SCRATCH + 4) is Errno.CHILD
    assert await guest.call("proc_kill", grandchild.number, 0) is Errno.SRCH


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP])
async def test_a_signal_ends_a_child_that_blocks(
    guest: Puppet, child: Puppet, number: signal.Signals
) -> None:
    await guest.checked("proc_kill", child.number, number)
    assert await guest.wait(0) == (child.number, number)


async def test_a_signal_ends_a_child_that_computes(guest: Puppet, child: Puppet) -> None:
    child.tell(Op.SPIN)
    await guest.checked("proc_kill", child.number, signal.SIGTERM)
    assert await guest.wait(0) == (child.number, signal.SIGTERM)


async def test_signals_that_do_nothing_do_nothing(guest: Puppet, child: Puppet) -> None:
    for number in (0, signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH):
        await guest.checked("proc_kill", child.number, number)
    for number in (signal.SIGSTOP, signal.SIGTSTP, 32, 0xFFFFFFFF):
        assert await guest.call("proc_kill", child.number, number) is Errno.INVAL
    assert await guest.call("proc_kill", 77, signal.SIGTERM) is Errno.SRCH
    assert await child.own_id(0) == child.number


async def test_a_caught_signal_ends_a_wait_and_is_told(guest: Puppet, child: Puppet) -> None:
    await child.checked("proc_catch", 1 << signal.SIGTERM, 1 << signal.SIGINT)
    reader, _ = await child.pipe()
    child.start("fd_read", reader, *child.buffers(8), SCRATCH)
    await guest.checked("proc_kill", child.number, signal.SIGINT)
    assert await signalled(guest, child, child.answer()) == Errno.INTR
    await child.checked("proc_signals", SCRATCH)
    assert await child.peek_u32(SCRATCH) == 1 << signal.SIGTERM
    await child.checked("proc_signals", SCRATCH)
    assert await child.peek_u32(SCRATCH) == 0


async def test_kill_cannot_be_caught(guest: Puppet) -> None:
    assert await guest.call("proc_catch", 1 << signal.SIGKILL, 0) is Errno.INVAL
    assert await guest.call("proc_catch", 0, 1 << signal.SIGKILL) is Errno.INVAL


async def test_a_caught_signal_ends_a_sleep(guest: Puppet, child: Puppet) -> None:
    await child.checked("proc_catch", 1 << signal.SIGTERM, 0)
    events = await signalled(guest, child, child.poll(wasi.subscribe_clock(3600 * 10**9)))
    assert [event.kind for event in events] == [Subscription.CLOCK]


async def test_a_caught_signal_ends_a_poll_without_time_and_events(
    guest: Puppet, child: Puppet
) -> None:
    await child.checked("proc_catch", 1 << signal.SIGTERM, 0)
    reader, _ = await child.pipe()
    waiting = child.poll(wasi.subscribe_fd(Subscription.READ, reader))
    assert await signalled(guest, child, waiting) == []


async def test_signals_can_be_polled_and_read(guest: Puppet, child: Puppet) -> None:
    await child.checked("proc_catch", 1 << signal.SIGTERM | 1 << signal.SIGINT, 0)
    signals = await child.open(child.proc, "signals", wasi.FdFlag.NONBLOCK)
    assert await child.try_read(signals) is Errno.AGAIN
    for number in (signal.SIGTERM, signal.SIGINT):
        await guest.checked("proc_kill", child.number, number)
    ready = await child.poll(wasi.subscribe_fd(Subscription.READ, signals, 3))
    assert [event.userdata for event in ready] == [3]
    assert await child.read(signals) == b"2\n15\n"
    assert await child.try_read(signals) is Errno.AGAIN


async def test_the_end_of_a_process_can_be_polled_and_read(guest: Puppet, child: Puppet) -> None:
    end = await guest.open(guest.proc, f"{child.number}/exit")
    async with asyncio.TaskGroup() as tasks:
        polling = guest.poll(wasi.subscribe_fd(Subscription.READ, end, 4))
        waiting = tasks.create_task(polling)
        child.start("proc_exit", 3)
    assert [event.userdata for event in waiting.result()] == [4]
    assert await guest.read(end) == b"768\n"
    assert await guest.wait(child.number) == (child.number, exited(3))
    assert await guest.read(end) == b"768\n", "waiting does not take it away"


async def test_processes_are_files(pods: Lab, guest: Puppet) -> None:
    spawn = await guest.open(guest.proc, "spawn")
    assert await guest.read(spawn) == b""
    request = pods.puppet_request()
    await guest.write(spawn, request[:5])
    await guest.write(spawn, request[5:])
    assert await guest.read(spawn) == b"2\n"
    child = await pods.spawned(guest, 2)
    assert await child.proc_text("self/status") == (
        "State:\tR (running)\nPid:\t2\nPPid:\t1\nSession:\t1\n"
    )
    child.start("proc_exit", 4)
    assert await guest.proc_command("wait 2 0") == f"2 {exited(4)}"
    assert await guest.try_proc_command("wait 2 0") is Errno.CHILD
    assert await guest.try_proc_command("kill 2 15") is Errno.SRCH
    assert await guest.try_proc_command("catch 32768 0") is Errno.SUCCESS
    for command in ("", "wait", "kill 1", "kill x 1", "catch 512 0", "wait 1 2 3 4 5 6", "dance"):
        assert await guest.try_proc_command(command) is Errno.INVAL


async def test_a_pipe_can_be_opened_as_files(guest: Puppet) -> None:
    reader = await guest.open(guest.proc, "pipe")
    writer = await guest.open(guest.proc, f"pipe/{reader}")
    assert await guest.try_open(guest.proc, f"pipe/{reader}") is Errno.BADF
    await guest.write(writer, b"bytes")
    assert await guest.read(reader) == b"bytes"
    await guest.close(writer)
    assert await guest.read(reader) == b""
    again = await guest.open(guest.proc, "pipe")
    await guest.close(again)


async def test_a_descriptor_can_be_had_twice(guest: Puppet) -> None:
    reader, writer = await guest.pipe()
    copy = await guest.open(guest.proc, f"fd/{writer}")
    await guest.checked("fd_dup", copy, SCRATCH)
    third = await guest.peek_u32(SCRATCH)
    await guest.close(writer)
    await guest.close(copy)
    await guest.write(third, b"still")
    assert await guest.read(reader) == b"still"
    assert await guest.call("fd_dup", 99, SCRATCH) is Errno.BADF
    assert await guest.try_open(guest.proc, "fd/99") is Errno.BADF


async def test_the_descriptor_that_was_asked_about_is_told_once(guest: Puppet) -> None:
    reader, _ = await guest.pipe()
    await guest.filestat(reader)
    assert await guest.proc_command("asked") == str(reader)
    assert await guest.try_proc_command("asked") is Errno.BADF


async def test_nothing_below_proc_can_be_changed(guest: Puppet) -> None:
    assert (await guest.stat(guest.proc, ".")).filetype is FileType.DIRECTORY
    assert (await guest.stat(guest.proc, "self")).filetype is FileType.DIRECTORY
    assert (await guest.stat(guest.proc, "1/exit")).filetype is FileType.REGULAR_FILE
    for path in ("7", "1/other", "other", "1/exit/more"):
        error = await guest.call("path_filestat_get", guest.proc, 0, *guest.path(path), SCRATCH)
        assert error is Errno.NOENT
    assert await guest.call("path_unlink_file", guest.proc, *guest.path("ctl")) is Errno.ROFS
    assert await guest.try_open(guest.proc, "7/status") is Errno.NOENT
    assert await guest.readdir(guest.proc) == []
