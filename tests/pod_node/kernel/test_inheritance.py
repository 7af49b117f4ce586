"""Files and sockets that a process has from its parent: one open file, used by both."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_node.files import Roots
from pod_node.spec import Mount
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import READ_RIGHTS, Errno, FdFlag, FileType, Open, Whence

WORK, LIBRARY, ROOT = 3, 4, 5
"""The mounts of the guest: a volume, a read-only one, its root."""
WRITABLE = (WORK, ROOT)
THEIRS = 20
SCRATCH = BUFFER + 8192


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
async def guest(pods: Lab, tmp_path: Path, work: Path) -> Puppet:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "book").write_text("once upon a time")
    return await pods.puppet(
        mounts=(
            Mount(source=work, target="/work"),
            Mount(source=tmp_path / "library", target="/library", read_only=True),
        ),
        roots=Roots(tmp_path / "state", tmp_path),
    )


async def content(guest: Puppet, directory: int, name: str) -> bytes:
    fd = await guest.open(directory, name, rights=READ_RIGHTS)
    try:
        return await guest.read(fd)
    finally:
        await guest.close(fd)


async def refusal(pods: Lab, guest: Puppet, *records: str) -> Errno:
    request = pods.puppet_request(*records)
    guest.poke(BUFFER, request)
    return await guest.call("proc_spawn", BUFFER, len(request), SCRATCH)


@pytest.mark.parametrize("directory", WRITABLE)
async def test_both_write_behind_one_another(pods: Lab, guest: Puppet, directory: int) -> None:
    fd = await guest.open(directory, "log", create=Open.CREATE | Open.TRUNCATE | Open.EXCLUSIVE)
    await guest.write(fd, b"parent, ")
    child = await pods.spawn_puppet(guest, f"f1 {fd}", f"f2 {fd}")
    await child.write(1, b"child, ")
    await guest.write(fd, b"parent again, ")
    await child.write(2, b"child's errors")
    assert await guest.tell_position(fd) == await child.tell_position(1) == 43
    assert await content(guest, directory, "log") == b"parent, child, parent again, child's errors"
    await guest.close(fd)
    child.start("proc_exit", 0)
    assert await guest.wait(0) == (child.number, 0)


@pytest.mark.parametrize("directory", WRITABLE)
async def test_both_read_on_where_the_other_has_stopped(
    pods: Lab, guest: Puppet, directory: int
) -> None:
    fd = await guest.open(directory, "text", create=Open.CREATE)
    await guest.write(fd, b"0123456789")
    await guest.seek(fd, 2, Whence.SET)
    child = await pods.spawn_puppet(guest, f"f0 {fd}")
    assert await child.read(0, 3) == b"234"
    assert await guest.read(fd, 2) == b"56"
    assert await child.seek(0, -1, Whence.END) == 9
    assert await guest.read(fd, 9) == b"9"
    assert await guest.seek(fd, -9, Whence.CURRENT) == 1
    assert await child.read(0) == b"123456789"
    assert await child.read(0) == b""
    for call in (guest, child):
        number = fd if call is guest else 0
        assert await call.call("fd_seek", number, -1, Whence.SET, SCRATCH) is Errno.INVAL
        assert await call.call("fd_seek", number, 1 << 62, 7, SCRATCH) is Errno.INVAL
        assert await call.call("fd_seek", number, 0, Whence.SET, 0xFFFFFFFF) is Errno.FAULT
        assert await call.call("fd_tell", number, 0xFFFFFFFF) is Errno.FAULT


@pytest.mark.parametrize("directory", WRITABLE)
async def test_flags_are_shared_and_appending_is_at_the_end(
    pods: Lab, guest: Puppet, directory: int
) -> None:
    fd = await guest.open(directory, "log", FdFlag.APPEND, create=Open.CREATE)
    child = await pods.spawn_puppet(guest, f"f1 {fd}")
    assert (await child.fdstat(1)).flags == FdFlag.APPEND
    other = await guest.open(directory, "log", FdFlag.APPEND)
    await child.write(1, b"child ")
    await guest.write(other, b"somebody ")
    await guest.seek(fd, 0, Whence.SET)
    await child.write(1, b"child")
    assert await guest.tell_position(fd) == 20
    await guest.checked("fd_fdstat_set_flags", fd, FdFlag.NONE)
    assert (await child.fdstat(1)).flags == FdFlag.NONE
    await child.seek(1, 0, Whence.SET)
    await child.write(1, b"CHILD")
    assert await content(guest, directory, "log") == b"CHILD somebody child"


@pytest.mark.parametrize("directory", WRITABLE)
async def test_a_child_of_a_child_shares_it_too_and_so_does_who_is_left(
    pods: Lab, guest: Puppet, directory: int
) -> None:
    fd = await guest.open(directory, "log", create=Open.CREATE)
    child = await pods.spawn_puppet(guest, f"f{THEIRS} {fd}")
    grandchild = await pods.spawn_puppet(child, f"f1 {THEIRS}")
    await guest.write(fd, b"a")
    await grandchild.write(1, b"b")
    await child.write(THEIRS, b"c")
    child.start("proc_exit", 0)
    await child.gone()
    await grandchild.write(1, b"d")
    await guest.close(fd)
    await grandchild.write(1, b"e")
    assert await content(guest, directory, "log") == b"abcde"


async def test_one_file_under_two_numbers_is_one_for_the_child_too(
    pods: Lab, guest: Puppet
) -> None:
    fd = await guest.open(WORK, "log", create=Open.CREATE)
    await guest.checked("fd_dup", fd, SCRATCH)
    copy = await guest.peek_u32(SCRATCH)
    child = await pods.spawn_puppet(guest, f"f1 {fd}", f"f2 {copy}")
    await child.close(1)
    await child.write(2, b"still open")
    assert await content(guest, WORK, "log") == b"still open"


async def test_what_is_read_only_is_inherited_as_such(pods: Lab, guest: Puppet) -> None:
    book = await guest.open(LIBRARY, "book", rights=READ_RIGHTS)
    child = await pods.spawn_puppet(guest, f"f0 {book}")
    assert await child.read(0, 4) == b"once"
    assert await guest.read(book, 5) == b" upon"
    assert await child.try_write(0, b"x") in (Errno.BADF, Errno.PERM, Errno.NOTCAPABLE)


async def test_folders_and_mounts_are_inherited(pods: Lab, guest: Puppet, work: Path) -> None:
    (work / "folder").mkdir()
    (work / "folder" / "note").write_text("in it")
    folder = await guest.open(WORK, "folder", create=Open.DIRECTORY, rights=READ_RIGHTS)
    child = await pods.spawn_puppet(guest, f"f{THEIRS} {folder}", f"f{THEIRS + 1} {WORK}")
    assert await content(child, THEIRS, "note") == b"in it"
    assert await content(child, THEIRS + 1, "folder/note") == b"in it"
    assert "note" in {entry.name for entry in await child.readdir(THEIRS)}


@pytest.mark.parametrize("directory", WRITABLE)
async def test_a_file_that_is_not_there_any_more_is_stale(
    pods: Lab, guest: Puppet, directory: int
) -> None:
    for change in ("removed", "moved", "replaced"):
        fd = await guest.open(directory, change, create=Open.CREATE)
        if change == "removed":
            await guest.checked("path_unlink_file", directory, *guest.path(change))
        else:
            new = guest.second_path("elsewhere")
            await guest.checked("path_rename", directory, *guest.path(change), directory, *new)
        if change == "replaced":
            await guest.close(await guest.open(directory, change, create=Open.CREATE))
        assert await refusal(pods, guest, f"f1 {fd}") is Errno.STALE
        assert await guest.write(fd, b"still the caller's") == 18
        await guest.close(fd)
    assert await guest.call("proc_wait", 0, 0, SCRATCH, SCRATCH + 4) is Errno.CHILD
    await pods.spawn_puppet(guest)


async def test_what_is_shared_counts_until_nobody_has_it(
    pods: Lab, guest: Puppet, tmp_path: Path
) -> None:
    assert guest.guest.pod is not None
    disks = guest.guest.pod.disks()
    before = disks.usage()[0].used_bytes
    fd = await guest.open(ROOT, "big", create=Open.CREATE)
    child = await pods.spawn_puppet(guest, f"f1 {fd}")
    await child.write(1, bytes(40_960))
    await guest.checked("path_unlink_file", ROOT, *guest.path("big"))
    await guest.close(fd)
    assert disks.usage()[0].used_bytes == before + 40_960
    child.start("proc_exit", 0)
    await child.gone()
    await guest.wait(0)
    assert disks.usage()[0].used_bytes == before


async def test_a_listener_is_open_until_the_last_of_them_closes_it(
    pods: Lab, guest: Puppet
) -> None:
    listener = await guest.listen()
    address, port = guest.guest.address, (await guest.local(listener))[1]
    child = await pods.spawn_puppet(guest, f"f{THEIRS} {listener}")
    other = await pods.puppet()
    for accepting in (guest, child):
        dialled = await other.connect(address, port)
        number = listener if accepting is guest else THEIRS
        accepted = await accepting.accept(number)
        await accepting.write(accepted, b"hello")
        assert await other.read(dialled) == b"hello"
    await guest.close(listener)
    dialled = await other.connect(address, port)
    await child.close(await child.accept(THEIRS))
    assert await other.read(dialled) == b""
    child.start("proc_exit", 0)
    await child.gone()
    await guest.wait(0)
    assert await other.try_open_net(f"tcp/connect/{address}/{port}") is Errno.CONNREFUSED


async def test_a_killed_child_leaves_the_connection_to_its_parent(pods: Lab, guest: Puppet) -> None:
    first = await guest.open_net("tcp/pair")
    second = await guest.open_net(f"tcp/pair/{await guest.socket_id(first)}")
    child = await pods.spawn_puppet(guest, f"f{THEIRS} {second}")
    assert (await child.fdstat(THEIRS)).filetype is FileType.SOCKET_STREAM
    assert await child.socket_id(THEIRS) == await guest.socket_id(second)
    assert await child.local(THEIRS) == await guest.local(second)
    await child.write(THEIRS, b"from the child, ")
    await guest.checked("proc_kill", child.number, 9)
    assert await guest.wait(0) == (child.number, 9)
    await guest.write(second, b"from its parent")
    assert await guest.read(first) == b"from the child, from its parent"
    await guest.close(second)
    assert await guest.read(first) == b""


async def test_an_option_that_one_sets_holds_for_the_other(pods: Lab, guest: Puppet) -> None:
    socket = await guest.open_net("udp/socket")
    child = await pods.spawn_puppet(guest, f"f{THEIRS} {socket}")
    identity = await guest.socket_id(socket)
    assert await child.control_command(f"set {identity} rcvtimeo 1234") == ""
    assert await guest.control_command(f"get {identity} rcvtimeo") == "1234"
    assert await child.control_command(f"bind {identity} 0.0.0.0 5353") == ""
    assert (await guest.local(socket))[1] == 5353
    options = await guest.open_net(f"sock/{identity}/options")
    await guest.close(socket)
    assert await guest.try_write(options, b"rcvtimeo 1") is Errno.BADF
    assert await child.control_command(f"get {identity} rcvtimeo") == "1234"


async def test_a_program_is_told_of_what_it_was_given_and_may_number_it_anew(
    pods: Lab, guest: Puppet
) -> None:
    reader, writer = await guest.pipe()
    child = await pods.spawn_puppet(guest, f"f31 {writer}", f"f30 {reader}", f"f1 {writer}")
    control = await child.open(child.proc, "ctl")
    told = []
    for _ in range(3):
        await child.write(control, b"inherited")
        told.append(await child.read(control))
    assert told == [b"30", b"31", b""]
    await child.write(31, b"moved")
    taken = await child.open(child.proc, "take/30")
    assert await child.read(taken) == b"moved"
    assert await child.call("fd_close", 30) is Errno.BADF
    assert await child.try_open(child.proc, "take/30") is Errno.BADF
    assert await guest.proc_command("inherited") == ""


async def test_files_of_children_count_among_those_of_the_host(pods: Lab, guest: Puppet) -> None:
    fds = [await guest.open(WORK, "file", create=Open.CREATE) for _ in range(3)]
    records = [f"f{THEIRS + number} {fd}" for number, fd in enumerate(fds)]
    child = await pods.spawn_puppet(guest, *records)
    opened = 0
    while not (error := await child.try_open(WORK, "file", rights=wasi.READ_RIGHTS)):
        opened += 1
    assert error is Errno.MFILE
    mounts = 3
    assert opened + len(fds) + mounts == 1024
