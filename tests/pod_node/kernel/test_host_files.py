"""Files of the host on a mount, through WASI: what a guest may do and what it is told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod_node.spec import Mount
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import READ_RIGHTS, Errno, FdFlag, FileType, Open, Whence

WORK, READ_ONLY = 3, 4
SCRATCH = BUFFER + 8192


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "book").write_text("once upon a time")
    (folder / "shelf").mkdir()
    return folder


@pytest.fixture
async def guest(pods: Lab, work: Path, library: Path) -> Puppet:
    """A guest with a writable mount as descriptor 3 and a read-only one as 4."""
    return await pods.puppet(
        mounts=(
            Mount(source=work, target="/work"),
            Mount(source=library, target="/library", read_only=True),
        )
    )


async def test_mounts_are_announced_in_order_then_net_and_proc(guest: Puppet) -> None:
    names = []
    for fd in (3, 4, 5, 6):
        await guest.checked("fd_prestat_get", fd, SCRATCH)
        tag, length = await guest.peek_u32(SCRATCH), await guest.peek_u32(SCRATCH + 4)
        assert tag & 0xFF == 0
        await guest.checked("fd_prestat_dir_name", fd, SCRATCH, length)
        names.append((await guest.peek(SCRATCH, length)).decode())
    assert names == ["/work", "/library", "/net", "/proc"]
    assert guest.net == 5
    assert await guest.call("fd_prestat_get", 7, SCRATCH) is Errno.BADF
    assert await guest.call("fd_prestat_get", 99, SCRATCH) is Errno.BADF
    assert await guest.call("fd_prestat_dir_name", 5, SCRATCH, 3) is Errno.NAMETOOLONG
    assert await guest.call("fd_prestat_dir_name", 3, SCRATCH, 3) is Errno.NAMETOOLONG
    assert await guest.call("fd_prestat_dir_name", 7, SCRATCH, 64) is Errno.BADF


async def test_bytes_written_are_in_the_file_of_the_host(guest: Puppet, work: Path) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    assert await guest.write(fd, b"hello ") == 6
    assert await guest.write(fd, b"world") == 5
    assert await guest.tell_position(fd) == 11
    assert (work / "note").read_bytes() == b"hello world"
    assert await guest.seek(fd, 0, Whence.SET) == 0
    assert await guest.read(fd, 5) == b"hello"
    assert await guest.seek(fd, 1, Whence.CURRENT) == 6
    assert await guest.read(fd) == b"world"
    assert await guest.read(fd) == b""
    assert await guest.seek(fd, -5, Whence.END) == 6
    await guest.close(fd)
    assert await guest.try_read(fd) is Errno.BADF


async def test_seeking_before_the_start_or_by_an_unknown_rule_is_invalid(guest: Puppet) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    assert await guest.call("fd_seek", fd, -1, Whence.SET, SCRATCH) is Errno.INVAL
    assert await guest.call("fd_seek", fd, 0, 3, SCRATCH) is Errno.INVAL
    assert await guest.call("fd_seek", 77, 0, Whence.SET, SCRATCH) is Errno.BADF
    assert await guest.call("fd_tell", 77, SCRATCH) is Errno.BADF


async def test_vectored_reads_and_writes_use_every_buffer(guest: Puppet, work: Path) -> None:
    (work / "note").write_bytes(b"0123456789")
    fd = await guest.open(WORK, "note")
    await guest.checked("fd_read", fd, *guest.buffers(3, 0, 4), SCRATCH)
    first = await guest.peek_u32(SCRATCH)  # a short transfer is allowed
    assert (await guest.peek(BUFFER, 7))[:first] == b"0123456789"[:first]
    assert first >= 3
    guest.poke(BUFFER, b"abcdefg")
    await guest.checked("fd_pwrite", fd, *guest.buffers(3, 4), 0, SCRATCH)
    written = await guest.peek_u32(SCRATCH)
    assert (work / "note").read_bytes()[:written] == b"abcdefg"[:written]


async def test_pread_and_pwrite_leave_the_position_alone(guest: Puppet, work: Path) -> None:
    (work / "note").write_bytes(b"0123456789")
    fd = await guest.open(WORK, "note")
    await guest.checked("fd_pread", fd, *guest.buffers(4), 6, SCRATCH)
    assert await guest.peek_u32(SCRATCH) == 4
    assert await guest.peek(BUFFER, 4) == b"6789"
    guest.poke(BUFFER, b"xy")
    await guest.checked("fd_pwrite", fd, *guest.buffers(2), 1, SCRATCH)
    assert await guest.tell_position(fd) == 0
    assert (work / "note").read_bytes() == b"0xy3456789"
    assert await guest.call("fd_pread", 77, *guest.buffers(4), 0, SCRATCH) is Errno.BADF
    assert await guest.call("fd_pwrite", 77, *guest.buffers(4), 0, SCRATCH) is Errno.BADF


async def test_open_flags_create_truncate_and_exclude(guest: Puppet, work: Path) -> None:
    assert await guest.try_open(WORK, "note") is Errno.NOENT
    fd = await guest.open(WORK, "note", create=Open.CREATE | Open.EXCLUSIVE)
    await guest.write(fd, b"text")
    assert await guest.try_open(WORK, "note", create=Open.CREATE | Open.EXCLUSIVE) is Errno.EXIST
    assert await guest.try_open(WORK, "note", create=Open.DIRECTORY) is Errno.NOTDIR
    await guest.open(WORK, "note", create=Open.TRUNCATE)
    assert (work / "note").read_bytes() == b""


async def test_append_writes_at_the_end_wherever_the_position_is(guest: Puppet, work: Path) -> None:
    (work / "log").write_bytes(b"one\n")
    fd = await guest.open(WORK, "log", FdFlag.APPEND)
    assert (await guest.fdstat(fd)).flags & FdFlag.APPEND
    await guest.write(fd, b"two\n")
    assert (work / "log").read_bytes() == b"one\ntwo\n"
    await guest.checked("fd_fdstat_set_flags", fd, 0)
    assert not (await guest.fdstat(fd)).flags & FdFlag.APPEND


async def test_file_status_is_that_of_the_host(guest: Puppet, work: Path) -> None:
    (work / "note").write_bytes(b"12345")
    os.utime(work / "note", ns=(1_000_000_000, 2_000_000_123))
    fd = await guest.open(WORK, "note")
    for stat in (await guest.filestat(fd), await guest.stat(WORK, "note")):
        assert (stat.filetype, stat.size, stat.links) == (FileType.REGULAR_FILE, 5, 1)
        assert (stat.atim, stat.mtim) == (1_000_000_000, 2_000_000_123)
    assert (await guest.filestat(WORK)).filetype is FileType.DIRECTORY
    assert (await guest.fdstat(WORK)).filetype is FileType.DIRECTORY
    assert (await guest.fdstat(fd)).filetype is FileType.REGULAR_FILE
    assert await guest.call("fd_filestat_get", 77, SCRATCH) is Errno.BADF
    assert await guest.call("fd_fdstat_get", 77, SCRATCH) is Errno.BADF
    missing = await guest.call("path_filestat_get", WORK, 0, *guest.path("no"), SCRATCH)
    assert missing is Errno.NOENT


async def test_sizes_are_set_by_truncation_and_allocation(guest: Puppet, work: Path) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    await guest.checked("fd_filestat_set_size", fd, 100)
    assert (work / "note").stat().st_size == 100
    await guest.checked("fd_filestat_set_size", fd, 7)
    assert (work / "note").stat().st_size == 7
    assert await guest.call("fd_filestat_set_size", 77, 1) is Errno.BADF
    assert await guest.call("fd_allocate", fd, 0, 50) in (Errno.SUCCESS, Errno.NOTSUP)
    assert await guest.call("fd_allocate", 77, 0, 50) is Errno.BADF


async def test_times_are_set_by_descriptor_and_by_path(guest: Puppet, work: Path) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    both = wasi.SET_ATIM | wasi.SET_MTIM
    await guest.checked("fd_filestat_set_times", fd, 5_000_000_000, 6_000_000_007, both)
    stat = (work / "note").stat()
    assert (stat.st_atime_ns, stat.st_mtime_ns) == (5_000_000_000, 6_000_000_007)
    await guest.checked(
        "path_filestat_set_times", WORK, 0, *guest.path("note"), 0, 9_000_000_000, wasi.SET_MTIM
    )
    stat = (work / "note").stat()
    assert (stat.st_atime_ns, stat.st_mtime_ns) == (5_000_000_000, 9_000_000_000)
    await guest.checked("fd_filestat_set_times", fd, 0, 0, wasi.SET_MTIM_NOW)
    assert (work / "note").stat().st_mtime_ns > 1_500_000_000 * 10**9
    conflicting = wasi.SET_MTIM | wasi.SET_MTIM_NOW
    assert await guest.call("fd_filestat_set_times", fd, 0, 0, conflicting) is Errno.INVAL
    assert await guest.call("fd_filestat_set_times", 77, 0, 0, 0) is Errno.BADF


async def test_advice_and_syncs_are_taken_for_files(guest: Puppet) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    await guest.checked("fd_advise", fd, 0, 10, 1)
    assert await guest.call("fd_advise", fd, 0, 10, 99) is Errno.INVAL
    await guest.checked("fd_sync", fd)
    await guest.checked("fd_datasync", fd)
    for call in ("fd_sync", "fd_datasync"):
        assert await guest.call(call, 77) is Errno.BADF
    assert await guest.call("fd_advise", 77, 0, 10, 1) is Errno.BADF


async def test_directories_are_made_listed_and_removed(guest: Puppet, work: Path) -> None:
    await guest.checked("path_create_directory", WORK, *guest.path("folder"))
    assert await guest.call("path_create_directory", WORK, *guest.path("folder")) is Errno.EXIST
    assert await guest.call("path_create_directory", WORK, *guest.path("no/deep")) is Errno.NOENT
    (work / "folder" / "file").touch()
    (work / "folder" / "link").symlink_to("file")
    fd = await guest.open(WORK, "folder", create=Open.DIRECTORY, rights=READ_RIGHTS)
    entries = {entry.name: entry.filetype for entry in await guest.readdir(fd)}
    assert entries == {
        ".": FileType.DIRECTORY,
        "..": FileType.DIRECTORY,
        "file": FileType.REGULAR_FILE,
        "link": FileType.SYMBOLIC_LINK,
    }
    remove = "path_remove_directory"
    assert await guest.call(remove, WORK, *guest.path("folder")) is Errno.NOTEMPTY
    assert await guest.call(remove, WORK, *guest.path("folder/file")) is Errno.NOTDIR
    (work / "folder" / "file").unlink()
    (work / "folder" / "link").unlink()
    await guest.checked(remove, WORK, *guest.path("folder"))
    assert await guest.call(remove, WORK, *guest.path("folder")) is Errno.NOENT
    assert not (work / "folder").exists()


async def test_a_large_directory_is_listed_in_parts(guest: Puppet, work: Path) -> None:
    for number in range(200):
        (work / f"file-{number:03}").touch()
    names, cookie = [], 0
    while entries := await guest.readdir(WORK, cookie, size=1024):
        names += [entry.name for entry in entries]
        cookie = entries[-1].following
    assert sorted(names) == sorted([".", "..", *(f"file-{number:03}" for number in range(200))])


async def test_readdir_is_for_directories(guest: Puppet) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    for bad, expected in ((fd, {Errno.NOTDIR, Errno.BADF}), (77, {Errno.BADF})):
        assert await guest.call("fd_readdir", bad, BUFFER, 100, 0, SCRATCH) in expected


async def test_files_are_renamed_linked_and_unlinked(guest: Puppet, work: Path) -> None:
    (work / "old").write_text("text")
    rename = "path_rename"
    await guest.checked(rename, WORK, *guest.path("old"), WORK, *guest.second_path("new"))
    assert (work / "new").read_text() == "text"
    missing = await guest.call(rename, WORK, *guest.path("old"), WORK, *guest.second_path("x"))
    assert missing is Errno.NOENT
    link = "path_link"
    await guest.checked(link, WORK, 0, *guest.path("new"), WORK, *guest.second_path("other"))
    assert (work / "other").stat().st_nlink == 2
    taken = await guest.call(link, WORK, 0, *guest.path("new"), WORK, *guest.second_path("other"))
    assert taken is Errno.EXIST
    await guest.checked("path_unlink_file", WORK, *guest.path("new"))
    assert await guest.call("path_unlink_file", WORK, *guest.path("new")) is Errno.NOENT
    (work / "folder").mkdir()
    folder = await guest.call("path_unlink_file", WORK, *guest.path("folder"))
    assert folder in (Errno.ISDIR, Errno.PERM)
    assert (work / "other").read_text() == "text"


async def test_symbolic_links_are_made_read_and_followed(guest: Puppet, work: Path) -> None:
    (work / "target").write_text("text")
    await guest.checked("path_symlink", *guest.path("target"), WORK, *guest.second_path("link"))
    assert (work / "link").readlink() == Path("target")
    assert await guest.readlink(WORK, "link") == "target"
    assert await guest.read(await guest.open(WORK, "link")) == b"text"
    assert (await guest.stat(WORK, "link")).filetype is FileType.REGULAR_FILE
    unfollowed = await guest.stat(WORK, "link", follow=False)
    assert unfollowed.filetype is FileType.SYMBOLIC_LINK
    assert await guest.try_open(WORK, "link", follow=False) is Errno.LOOP
    plain = await guest.call("path_readlink", WORK, *guest.path("target"), BUFFER, 64, SCRATCH)
    assert plain is Errno.INVAL
    (work / "circle").symlink_to("circle")
    assert await guest.try_open(WORK, "circle") is Errno.LOOP


async def test_a_link_is_cut_to_the_buffer_it_is_read_into(guest: Puppet, work: Path) -> None:
    (work / "link").symlink_to("0123456789")
    error = await guest.call("path_readlink", WORK, *guest.path("link"), BUFFER, 4, SCRATCH)
    assert error in (Errno.SUCCESS, Errno.RANGE)
    if not error:
        assert await guest.peek(BUFFER, await guest.peek_u32(SCRATCH)) == b"0123"


@pytest.mark.parametrize(
    "path", ["../secret", "folder/../../secret", "/etc/passwd", "..", "folder/../..", "/"]
)
async def test_no_path_leads_out_of_a_mount(guest: Puppet, work: Path, path: str) -> None:
    (work.parent / "secret").write_text("secret")
    (work / "folder").mkdir()
    refused = {Errno.PERM, Errno.NOTCAPABLE, Errno.ACCES}
    assert await guest.try_open(WORK, path) in refused
    assert await guest.try_open(WORK, path, create=Open.DIRECTORY) in refused
    assert await guest.call("path_filestat_get", WORK, 1, *guest.path(path), SCRATCH) in refused
    assert await guest.call("path_unlink_file", WORK, *guest.path(path)) in refused
    assert await guest.call("path_remove_directory", WORK, *guest.path(path)) in refused | {
        Errno.INVAL,
        Errno.NOTEMPTY,
    }
    await_made = await guest.call("path_create_directory", WORK, *guest.path(path + "-new"))
    assert await_made in refused | {Errno.SUCCESS, Errno.NOENT}
    assert sorted(os.listdir(work.parent)) == ["library", "secret", "work"]


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "folder/../../secret", "/"])
async def test_no_symbolic_link_leads_out_of_a_mount(
    guest: Puppet, work: Path, target: str
) -> None:
    (work.parent / "secret").write_text("secret")
    (work / "folder").mkdir()
    (work / "link").symlink_to(target)
    refused = {Errno.PERM, Errno.NOTCAPABLE, Errno.ACCES}
    assert await guest.try_open(WORK, "link") in refused
    assert await guest.try_open(WORK, "link/x", create=Open.CREATE) in refused | {Errno.NOTDIR}
    assert await guest.call("path_filestat_get", WORK, 1, *guest.path("link"), SCRATCH) in refused


async def test_renames_and_links_do_not_lead_out_of_a_mount(guest: Puppet, work: Path) -> None:
    (work / "note").write_text("text")
    refused = {Errno.PERM, Errno.NOTCAPABLE, Errno.ACCES}
    out = guest.second_path("../escaped")
    assert await guest.call("path_rename", WORK, *guest.path("note"), WORK, *out) in refused
    assert await guest.call("path_link", WORK, 0, *guest.path("note"), WORK, *out) in refused
    inward = guest.second_path("stolen")
    (work.parent / "secret").write_text("secret")
    away = await guest.call("path_rename", WORK, *guest.path("../secret"), WORK, *inward)
    assert away in refused
    assert sorted(os.listdir(work.parent)) == ["library", "secret", "work"]


async def test_a_read_only_mount_can_be_read(guest: Puppet) -> None:
    fd = await guest.open(READ_ONLY, "book", rights=READ_RIGHTS)
    assert await guest.read(fd) == b"once upon a time"
    names = {entry.name for entry in await guest.readdir(READ_ONLY)}
    assert names == {".", "..", "book", "shelf"}


async def test_a_read_only_mount_refuses_every_change(guest: Puppet, library: Path) -> None:
    refused = {Errno.PERM, Errno.ROFS, Errno.NOTCAPABLE, Errno.ACCES, Errno.BADF}
    path, second = guest.path, guest.second_path
    assert await guest.try_open(READ_ONLY, "new", create=Open.CREATE) in refused
    assert await guest.try_open(READ_ONLY, "book", create=Open.TRUNCATE) in refused
    both = wasi.SET_ATIM | wasi.SET_MTIM
    for name, arguments in {
        "path_create_directory": (READ_ONLY, *path("made")),
        "path_unlink_file": (READ_ONLY, *path("book")),
        "path_remove_directory": (READ_ONLY, *path("shelf")),
        "path_filestat_set_times": (READ_ONLY, 0, *path("book"), 1, 1, both),
    }.items():
        path(_last_path(name))
        assert await guest.call(name, *arguments) in refused, name
    names = (*path("book"), READ_ONLY, *second("moved"))
    assert await guest.call("path_rename", READ_ONLY, *names) in refused
    assert await guest.call("path_link", READ_ONLY, 0, *names) in refused
    symlink = (*path("book"), READ_ONLY, *second("moved"))
    assert await guest.call("path_symlink", *symlink) in refused
    to_work = (*path("book"), WORK, *second("moved"))
    assert await guest.call("path_rename", READ_ONLY, *to_work) in refused
    assert await guest.try_open(READ_ONLY, "book") in refused
    fd = await guest.open(READ_ONLY, "book", rights=READ_RIGHTS)
    assert await guest.try_write(fd, b"graffiti") in refused
    assert await guest.call("fd_filestat_set_size", fd, 0) in refused | {Errno.INVAL}
    assert await guest.call("fd_allocate", fd, 0, 10_000) in refused | {Errno.NOTSUP}
    assert await guest.call("fd_filestat_set_times", fd, 1, 1, both) in refused
    assert (library / "book").read_text() == "once upon a time"
    assert os.stat(library / "book").st_mtime_ns > 1_500_000_000 * 10**9
    assert sorted(os.listdir(library)) == ["book", "shelf"]


def _last_path(call: str) -> str:
    """The path that a call in the table above is given: they share one place in memory."""
    return {"path_create_directory": "made", "path_remove_directory": "shelf"}.get(call, "book")


async def test_paths_are_below_directories(guest: Puppet) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    assert await guest.try_open(fd, "x") is Errno.NOTDIR
    assert await guest.try_open(WORK, "note/x") is Errno.NOTDIR
    assert await guest.try_open(1, "x") is Errno.NOTDIR
    assert await guest.try_open(77, "x") is Errno.BADF
    for name in ("path_create_directory", "path_unlink_file", "path_remove_directory"):
        assert await guest.call(name, 77, *guest.path("x")) is Errno.BADF
        assert await guest.call(name, 1, *guest.path("x")) is Errno.NOTDIR
    other = (*guest.path("note"), 77, *guest.second_path("x"))
    assert await guest.call("path_rename", WORK, *other) is Errno.BADF
    assert await guest.call("path_link", WORK, 0, *other) is Errno.BADF
    assert await guest.call("path_symlink", *other) is Errno.BADF
    source = (*guest.path("note"), WORK, *guest.second_path("x"))
    assert await guest.call("path_rename", 77, *source) is Errno.BADF
    assert await guest.call("path_link", 77, 0, *source) is Errno.BADF
    set_times = (*guest.path("note"), 0, 0, 0)
    assert await guest.call("path_filestat_set_times", 77, 0, *set_times) is Errno.BADF
    assert await guest.call("path_filestat_get", 77, 0, *guest.path("x"), SCRATCH) is Errno.BADF
    readlink = (*guest.path("x"), BUFFER, 10, SCRATCH)
    assert await guest.call("path_readlink", 77, *readlink) is Errno.BADF


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", {Errno.NOENT, Errno.INVAL}),
        (b"nul\0inside", {Errno.INVAL, Errno.ILSEQ}),
        (b"\xff\xfe", {Errno.ILSEQ, Errno.INVAL, Errno.NOENT}),
        (b"n" * 300, {Errno.NAMETOOLONG}),
        (b"d/" * 2040, {Errno.NAMETOOLONG, Errno.NOENT}),
    ],
)
async def test_strange_paths_get_an_errno(guest: Puppet, path: bytes, expected: set[Errno]) -> None:
    assert await guest.try_open(WORK, path, create=Open.CREATE) in expected


async def test_files_closed_by_the_guest_are_closed_on_the_host(guest: Puppet, work: Path) -> None:
    def open_on_host() -> int:
        targets = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
        return sum(target.startswith(str(work)) for target in targets)

    before = open_on_host()
    fds = [await guest.open(WORK, f"file-{n}", create=Open.CREATE) for n in range(20)]
    assert open_on_host() == before + 20
    for fd in fds[:10]:
        await guest.close(fd)
    assert open_on_host() == before + 10
    await guest.kill()
    assert open_on_host() == 0


async def test_pointers_outside_of_memory_are_faults_for_files_too(guest: Puppet) -> None:
    fd = await guest.open(WORK, "note", create=Open.CREATE)
    wild = 0xFFFF_FFF0
    for name, arguments in {
        "fd_read": (fd, wild, 1, SCRATCH),
        "fd_write": (fd, wild, 1, SCRATCH),
        "fd_pread": (fd, wild, 1, 0, SCRATCH),
        "fd_pwrite": (fd, wild, 1, 0, SCRATCH),
        "fd_seek": (fd, 0, 0, wild),
        "fd_tell": (fd, wild),
        "fd_fdstat_get": (fd, wild),
        "fd_filestat_get": (fd, wild),
        "fd_prestat_get": (WORK, wild),
        "fd_prestat_dir_name": (WORK, wild, 5),
        "fd_readdir": (WORK, wild, 100, 0, SCRATCH),
        "path_open": (WORK, 0, wild, 4, 0, 0, 0, 0, SCRATCH),
        "path_filestat_get": (WORK, 0, wild, 4, SCRATCH),
        "path_create_directory": (WORK, wild, 4),
        "path_unlink_file": (WORK, wild, 4),
        "path_remove_directory": (WORK, wild, 4),
        "path_readlink": (WORK, wild, 4, BUFFER, 10, SCRATCH),
        "path_rename": (WORK, wild, 4, WORK, wild, 4),
        "path_symlink": (wild, 4, WORK, wild, 4),
        "path_link": (WORK, 0, wild, 4, WORK, wild, 4),
    }.items():
        assert await guest.call(name, *arguments) is Errno.FAULT, name
