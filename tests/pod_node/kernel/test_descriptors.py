"""Descriptor numbers, limits on them, and what the kinds of kernel objects answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod_node.spec import Limits, Mount
from tests.support import wasi
from tests.support.lab import Lab, declare
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, FileType, Open, Whence
from tests.support.wat import command_text

SCRATCH = BUFFER + 8192


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


async def test_a_new_descriptor_is_the_lowest_free_number(guest: Puppet) -> None:
    first = guest.control + 1
    fds = [await guest.open_net("tcp/socket") for _ in range(5)]
    assert fds == list(range(first, first + 5))
    await guest.close(fds[3])
    await guest.close(fds[1])
    assert await guest.open_net("hostname") == fds[1]
    assert await guest.open_net("ctl") == fds[3]
    assert await guest.open_net(".") == fds[4] + 1


async def test_standard_streams_can_be_closed_and_their_numbers_used_again(guest: Puppet) -> None:
    await guest.close(0)
    assert await guest.open_net("tcp/socket") == 0
    assert (await guest.filestat(0)).filetype is FileType.SOCKET_STREAM


async def test_closing_twice_is_a_bad_descriptor(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/socket")
    await guest.close(fd)
    assert await guest.call("fd_close", fd) is Errno.BADF
    assert await guest.call("fd_close", 0xFFFFFFFF) is Errno.BADF


async def test_renumber_moves_a_descriptor_over_an_open_one(guest: Puppet) -> None:
    text = await guest.open_net("hostname")
    socket = await guest.open_net("tcp/socket")
    ident = await guest.socket_id(socket)
    await guest.checked("fd_renumber", socket, text)
    assert await guest.call("fd_close", socket) is Errno.BADF
    assert await guest.socket_id(text) == ident
    assert (await guest.ask(f"sock/{ident}/local")) == "0.0.0.0 0\n"


async def test_renumber_to_itself_changes_nothing(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/socket")
    ident = await guest.socket_id(fd)
    await guest.checked("fd_renumber", fd, fd)
    assert await guest.socket_id(fd) == ident


async def test_renumber_wants_both_numbers_open(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/socket")
    for pair in ((fd, 77), (77, fd), (77, 78), (0xFFFFFFFF, fd)):
        assert await guest.call("fd_renumber", *pair) is Errno.BADF
    assert (await guest.filestat(fd)).filetype is FileType.SOCKET_STREAM


async def test_renumber_mixes_files_of_the_host_and_kernel_objects(
    pods: Lab, tmp_path: Path
) -> None:
    guest = await pods.puppet(mounts=(Mount(source=tmp_path, target="/work"),))
    file = await guest.open(3, "note", create=Open.CREATE)
    socket = await guest.open_net("tcp/socket")
    await guest.checked("fd_renumber", file, socket)
    await guest.write(socket, b"text")
    assert (tmp_path / "note").read_bytes() == b"text"
    text = await guest.open_net("hostname")
    await guest.checked("fd_renumber", text, socket)
    assert await guest.read(socket) == f"{guest.guest.name}\n".encode()


async def test_at_the_limit_opening_fails_with_emfile_and_closing_helps(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(descriptors=12))
    fds = [await guest.open_net("tcp/socket") for _ in range(12 - guest.control - 1)]
    assert fds[-1] == 11
    for _ in range(3):
        assert await guest.try_open_net("tcp/socket") is Errno.MFILE
        assert await guest.try_open_net("hostname") is Errno.MFILE
        assert await guest.call("sock_open", 1, 2, SCRATCH) is Errno.MFILE
    _, sockets = pods.statistics()
    await guest.close(fds[4])
    assert await guest.open_net("hostname") == fds[4]
    assert pods.statistics()[1] == sockets - 1, "refused sockets are given back"


async def test_a_file_of_the_host_refused_by_the_limit_is_closed_again(
    pods: Lab, tmp_path: Path
) -> None:
    guest = await pods.puppet(
        mounts=(Mount(source=tmp_path, target="/work"),), limits=Limits(descriptors=8)
    )
    for number in range(8 - guest.control - 1):
        await guest.open(3, f"file-{number}", create=Open.CREATE)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert await guest.try_open(3, "more", create=Open.CREATE) is Errno.MFILE
    assert len(os.listdir("/proc/self/fd")) == before


async def test_each_kind_has_its_file_type(guest: Puppet) -> None:
    kinds = {
        0: FileType.CHARACTER_DEVICE,
        1: FileType.CHARACTER_DEVICE,
        guest.net: FileType.DIRECTORY,
        await guest.open_net("tcp/socket"): FileType.SOCKET_STREAM,
        await guest.open_net("hostname"): FileType.REGULAR_FILE,
        await guest.open_net("ctl"): FileType.REGULAR_FILE,
    }
    for fd, kind in kinds.items():
        assert (await guest.fdstat(fd)).filetype is kind
        assert (await guest.filestat(fd)).filetype is kind


async def test_what_a_kernel_object_cannot_do_has_the_errno_of_linux(guest: Puppet) -> None:
    socket = await guest.open_net("tcp/socket")
    for fd in (0, socket, guest.net):
        assert await guest.call("fd_seek", fd, 0, Whence.SET, SCRATCH) is Errno.SPIPE
        assert await guest.call("fd_tell", fd, SCRATCH) is Errno.SPIPE
        assert await guest.call("fd_pread", fd, *guest.buffers(4), 0, SCRATCH) is Errno.SPIPE
        assert await guest.call("fd_pwrite", fd, *guest.buffers(4), 0, SCRATCH) is Errno.SPIPE
        assert await guest.call("fd_advise", fd, 0, 1, 0) is Errno.SPIPE
        assert await guest.call("fd_allocate", fd, 0, 1) is Errno.SPIPE
        assert await guest.call("fd_sync", fd) is Errno.INVAL
        assert await guest.call("fd_datasync", fd) is Errno.INVAL
        assert await guest.call("fd_filestat_set_size", fd, 0) is Errno.INVAL
        assert await guest.call("fd_filestat_set_times", fd, 0, 0, 0) is Errno.INVAL
        await guest.checked("fd_fdstat_set_rights", fd, wasi.ALL_RIGHTS, wasi.ALL_RIGHTS)
    assert await guest.call("fd_readdir", socket, BUFFER, 64, 0, SCRATCH) is Errno.NOTDIR
    assert await guest.try_read(guest.net) is Errno.ISDIR
    assert await guest.try_write(guest.net, b"x") is Errno.ISDIR


async def test_standard_streams_go_one_way(guest: Puppet) -> None:
    assert await guest.read(0) == b""
    assert await guest.try_write(0, b"x") is Errno.BADF
    assert await guest.try_read(1) is Errno.BADF
    assert await guest.write(1, b"out") == 3
    assert await guest.write(2, b"err") == 3
    await guest.guest.printed(b"out")
    await guest.guest.until(lambda one: b"err" in one.errors)


async def test_output_written_just_before_the_end_is_heard(guest: Puppet) -> None:
    for number in range(100):
        await guest.write(1, f"line {number}\n".encode())
    guest.start("proc_exit", 0)
    await guest.end()
    assert guest.guest.output == b"".join(f"line {number}\n".encode() for number in range(100))


async def test_nonblocking_is_a_flag_of_the_open_file(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/listen/0.0.0.0/0")
    assert (await guest.fdstat(fd)).flags == FdFlag.NONE
    await guest.set_nonblocking(fd)
    assert (await guest.fdstat(fd)).flags == FdFlag.NONBLOCK
    await guest.set_nonblocking(fd, on=False)
    assert (await guest.fdstat(fd)).flags == FdFlag.NONE
    opened = await guest.open_net("tcp/socket", FdFlag.NONBLOCK)
    assert (await guest.fdstat(opened)).flags == FdFlag.NONBLOCK
    assert await guest.call("fd_fdstat_set_flags", 77, FdFlag.NONBLOCK) is Errno.BADF


async def test_pointers_outside_of_memory_are_faults(guest: Puppet) -> None:
    wild = 0xFFFF_FFF0
    socket = await guest.open_net("tcp/listen/0.0.0.0/0")
    pair = await guest.open_net("tcp/pair")
    text = await guest.open_net("hostname")
    for name, arguments in {
        "fd_read": (text, *guest.buffers(4), wild),
        "fd_write": (1, *guest.buffers(4), wild),
        "fd_fdstat_get": (socket, wild),
        "fd_filestat_get": (socket, wild),
        "fd_prestat_get": (guest.net, wild),
        "fd_prestat_dir_name": (guest.net, wild, 10),
        "fd_readdir": (guest.net, BUFFER, 100, 0, wild),
        "path_open": (guest.net, 0, wild, 4, 0, 0, 0, 0, SCRATCH),
        "path_filestat_get": (guest.net, 0, wild, 3, SCRATCH),
        "poll_oneoff": (wild, BUFFER, 1, SCRATCH),
        "clock_time_get": (1, 0, wild),
        "sock_accept": (socket, 0, wild),
        "sock_recv": (pair, *guest.buffers(4), 0, SCRATCH, wild),
        "sock_send": (pair, *guest.buffers(4), 0, wild),
        "sock_open": (1, 2, wild),
        "sock_bind": (socket, wild, 0),
        "sock_connect": (socket, wild, 0),
        "sock_getlocaladdr": (socket, wild, SCRATCH, SCRATCH),
        "sock_getsockopt": (socket, 1, 2, wild, SCRATCH),
        "sock_setsockopt": (socket, 1, 2, wild, 4),
        "sock_getaddrinfo": (wild, 4, SCRATCH, 0, 0, SCRATCH, 4, SCRATCH),
    }.items():
        assert await guest.call(name, *arguments) is Errno.FAULT, name
    guest.poke(SCRATCH, (wild).to_bytes(4, "little") + (64).to_bytes(4, "little"))
    for name in ("fd_read", "fd_write"):
        fd = text if name == "fd_read" else 1
        assert await guest.call(name, fd, SCRATCH, 1, BUFFER) is Errno.FAULT
        assert await guest.call(name, fd, SCRATCH, 0x20000000, BUFFER) is Errno.FAULT


async def test_buffers_may_touch_the_very_end_of_memory(guest: Puppet) -> None:
    end = 2 << 16
    fd = await guest.open_net("hostname")
    guest.poke(SCRATCH, (end - 4).to_bytes(4, "little") + (4).to_bytes(4, "little"))
    await guest.checked("fd_read", fd, SCRATCH, 1, SCRATCH + 8)
    assert await guest.peek(end - 4, 4) == b"gues"
    await guest.checked("fd_fdstat_get", fd, end - wasi.FDSTAT_SIZE)
    await guest.checked("clock_time_get", 1, 0, end - 8)
    assert await guest.call("clock_time_get", 1, 0, end - 7) is Errno.FAULT
    assert await guest.call("fd_fdstat_get", fd, end - wasi.FDSTAT_SIZE + 1) is Errno.FAULT
    guest.poke(SCRATCH, (end - 4).to_bytes(4, "little") + (5).to_bytes(4, "little"))
    assert await guest.call("fd_read", fd, SCRATCH, 1, SCRATCH + 8) is Errno.FAULT


async def test_a_guest_without_memory_gets_faults(pods: Lab) -> None:
    body = """
      (if (i32.ne (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
                  (i32.const 21)) (then unreachable))
      (if (i32.ne (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0))
                  (i32.const 21)) (then unreachable))
      (if (i32.ne (call $args_get (i32.const 0) (i32.const 0)) (i32.const 21)) (then unreachable))
      (if (i32.ne (call $random_get (i32.const 0) (i32.const 1)) (i32.const 21))
        (then unreachable))
      (if (i32.ne (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
                  (i32.const 21)) (then unreachable))
      (call $proc_exit (i32.const 7))"""
    names = ("fd_write", "clock_time_get", "args_get", "random_get", "poll_oneoff", "proc_exit")
    guest = pods.boot_text(command_text(body, declare(*names), memory="0"))
    assert (await guest.end()).status == 7
