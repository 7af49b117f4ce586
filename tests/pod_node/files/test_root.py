"""A pod's root: what is in it, what may be done there, and where paths lead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod_node.files import Roots
from pod_node.spec import Limits, Mount, Tmpfs
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FileType, Open

SCRATCH = BUFFER + 8192
DATA, BOOK, LAYER, ROOT, MEMORY = 3, 4, 5, 5, 6
"""The mount of a file has no descriptor."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "note").write_text("a note")
    return folder


@pytest.fixture
async def guest(pods: Lab, roots: Roots, data: Path, tmp_path: Path) -> Puppet:
    """A guest with a volume, a read-only layer, a file, a root and a tmpfs."""
    layer = tmp_path / "layer"
    (layer / "sub").mkdir(parents=True)
    (layer / "sub" / "book").write_text("once upon a time")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "hosts").write_text("a file of the host")
    return await pods.puppet(
        name="web-1",
        mounts=(
            Mount(source=data, target="/srv/data"),
            Mount(source=layer, target="/usr/lib/layer", read_only=True, layer=True),
            Mount(source=tmp_path / "hosts", target="/etc/app/hosts", read_only=True),
        ),
        tmpfs=(Tmpfs(target="/memory", size_bytes=1 << 20),),
        roots=roots,
        working_dir="/work/here",
    )


async def listed(guest: Puppet, path: str) -> set[str]:
    fd = await guest.open(ROOT, path, create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    names = {entry.name for entry in await guest.readdir(fd)} - {".", ".."}
    await guest.close(fd)
    return names


async def text_of(guest: Puppet, directory: int, path: str) -> str:
    fd = await guest.open(directory, path, rights=wasi.READ_RIGHTS)
    text = (await guest.read(fd)).decode()
    await guest.close(fd)
    return text


async def change(guest: Puppet, name: str, fd: int, path: str) -> Errno:
    return await guest.call(name, fd, *guest.path(path))


async def rename(guest: Puppet, old: str, new: str, fd: int = ROOT) -> Errno:
    paths = (*guest.path(old), fd, *guest.second_path(new))
    return await guest.call("path_rename", fd, *paths)


async def symlink(guest: Puppet, target: str, path: str, fd: int = ROOT) -> Errno:
    return await guest.call("path_symlink", *guest.path(target), fd, *guest.second_path(path))


async def test_the_root_is_announced_as_a_preopened_directory(guest: Puppet) -> None:
    names = []
    for fd in range(3, 9):
        await guest.checked("fd_prestat_get", fd, SCRATCH)
        length = await guest.peek_u32(SCRATCH + 4)
        await guest.checked("fd_prestat_dir_name", fd, SCRATCH, length)
        names.append((await guest.peek(SCRATCH, length)).decode())
    assert names == ["/srv/data", "/usr/lib/layer", "/", "/memory", "/net", "/proc"]
    assert await guest.call("fd_prestat_get", 9, SCRATCH) is Errno.BADF


async def test_the_root_has_what_programs_expect_and_every_mount(guest: Puppet) -> None:
    assert await listed(guest, ".") == {
        *("tmp", "etc", "root", "net", "proc", "dev"),
        *("srv", "usr", "memory", "work"),
    }
    assert await listed(guest, "etc") == {
        *("hosts", "hostname", "passwd", "group", "resolv.conf"),
        "app",
    }
    assert await listed(guest, "srv") == {"data"}
    assert await listed(guest, "usr/lib") == {"layer"}
    assert await listed(guest, "work") == {"here"}
    assert await text_of(guest, ROOT, "etc/hostname") == "web-1\n"
    assert await text_of(guest, ROOT, "etc/resolv.conf") == "nameserver 10.10.0.1\n"
    hosts = await text_of(guest, ROOT, "etc/hosts")
    assert hosts == f"127.0.0.1\tlocalhost\n{guest.guest.address}\tweb-1\n"


async def test_paths_go_from_the_root_into_every_mount(guest: Puppet) -> None:
    assert await listed(guest, "srv/data") == {"note"}
    assert await text_of(guest, ROOT, "srv/data/note") == "a note"
    assert await text_of(guest, ROOT, "usr//lib/./layer/sub/book") == "once upon a time"
    assert await text_of(guest, ROOT, "etc/app/hosts") == "a file of the host"
    assert await text_of(guest, ROOT, "net/hostname") == "web-1\n"
    assert (await guest.stat(ROOT, "srv/data")).filetype is FileType.DIRECTORY
    assert (await guest.stat(ROOT, "net/tcp")).filetype is FileType.DIRECTORY
    assert await guest.try_open(ROOT, "etc/app/hosts/x") is Errno.NOTDIR
    assert await listed(guest, "etc/app") == {"hosts"}


async def test_dots_go_up_through_mounts_and_stop_at_the_root(guest: Puppet) -> None:
    assert await text_of(guest, DATA, "../../etc/hostname") == "web-1\n"
    assert await text_of(guest, LAYER - 1, "sub/../../../../srv/data/note") == "a note"
    assert await text_of(guest, MEMORY, "../../../etc/hostname") == "web-1\n"
    assert await text_of(guest, DATA, "../../net/hostname") == "web-1\n"
    fd = await guest.open(ROOT, "usr/lib/layer/sub", create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    assert await text_of(guest, fd, "../../../../etc/hostname") == "web-1\n"
    assert await text_of(guest, fd, "book") == "once upon a time"
    assert await guest.try_open(ROOT, "missing/../etc/hostname") is Errno.NOENT
    assert await guest.try_open(ROOT, "etc/hostname/../hostname") is Errno.NOTDIR
    assert await text_of(guest, ROOT, "/etc/hostname") == "web-1\n"
    assert await text_of(guest, DATA, "/etc/hostname") in ("web-1\n",)


async def test_the_root_can_be_written_and_is_a_folder_of_the_host(
    guest: Puppet, tmp_path: Path
) -> None:
    assert await change(guest, "path_create_directory", ROOT, "tmp/made") is Errno.SUCCESS
    fd = await guest.open(ROOT, "tmp/made/file", create=Open.CREATE)
    await guest.write(fd, b"text")
    root = tmp_path / "state" / "roots" / "web-1"
    assert (root / "tmp/made/file").read_text() == "text"
    assert await rename(guest, "tmp/made", "new") is Errno.SUCCESS
    assert await text_of(guest, ROOT, "new/file") == "text"
    assert await change(guest, "path_unlink_file", ROOT, "new/file") is Errno.SUCCESS
    assert await change(guest, "path_remove_directory", ROOT, "new") is Errno.SUCCESS
    assert not (root / "new").exists()


async def test_a_name_that_was_never_there_is_found_once_it_is(guest: Puppet) -> None:
    assert await guest.try_open(ROOT, "fresh") is Errno.NOENT
    assert await guest.try_open(ROOT, "fresh/deeper", create=Open.CREATE) is Errno.NOENT
    assert await change(guest, "path_create_directory", ROOT, "fresh/x") is Errno.NOENT
    assert await rename(guest, "fresh", "fresher") is Errno.NOENT
    await guest.close(await guest.open(ROOT, "fresh", create=Open.CREATE))
    assert (await guest.stat(ROOT, "fresh")).size == 0
    assert await rename(guest, "fresh", "other") is Errno.SUCCESS
    assert (await guest.stat(ROOT, "other")).size == 0
    assert await symlink(guest, "other", "linked") is Errno.SUCCESS
    assert (await guest.stat(ROOT, "linked")).filetype is FileType.REGULAR_FILE
    hard = (ROOT, 0, *guest.path("other"), ROOT, *guest.second_path("hard"))
    await guest.checked("path_link", *hard)
    assert (await guest.stat(ROOT, "hard")).links == 2


@pytest.mark.parametrize("path", ["srv/data", "memory", "srv"])
async def test_what_is_mounted_stays_where_it_is(guest: Puppet, path: str) -> None:
    refused = {Errno.BUSY, Errno.NOTEMPTY, Errno.ROFS}
    assert await change(guest, "path_remove_directory", ROOT, path) in refused
    assert await rename(guest, path, "moved") is Errno.BUSY
    assert await rename(guest, "tmp", path) in {Errno.BUSY, Errno.XDEV}
    assert await change(guest, "path_create_directory", ROOT, path) is Errno.EXIST
    assert await symlink(guest, "x", path) is Errno.EXIST


async def test_a_mounted_file_and_net_stay_too(guest: Puppet, tmp_path: Path) -> None:
    refused = {Errno.BUSY, Errno.ROFS}
    assert await change(guest, "path_unlink_file", ROOT, "etc/app/hosts") in refused
    assert await rename(guest, "etc/app/hosts", "moved") in {*refused, Errno.XDEV}
    assert await guest.try_open(ROOT, "etc/app/hosts") is Errno.ROFS
    assert await guest.try_open(ROOT, "etc/app/hosts/../../../secret") is Errno.NOTDIR
    assert await change(guest, "path_remove_directory", ROOT, "net") is Errno.ROFS
    assert await change(guest, "path_create_directory", ROOT, "net/x") is Errno.ROFS
    assert (tmp_path / "hosts").read_text() == "a file of the host"


async def test_a_writable_file_of_the_host_is_written_in_place(
    pods: Lab, roots: Roots, tmp_path: Path
) -> None:
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to("real")
    mount = Mount(source=tmp_path / "link", target="/etc/app.conf")
    guest = await pods.puppet(mounts=(mount,), roots=roots)
    root = 3
    fd = await guest.open(root, "etc/app.conf", create=Open.TRUNCATE)
    await guest.write(fd, b"after")
    assert (tmp_path / "real").read_text() == "after"
    for path in ("etc/app.conf/../tmp", "etc/app.conf/"):
        assert await guest.try_open(root, path) is Errno.NOTDIR


@pytest.mark.parametrize("path", ["usr/lib/layer", "usr/lib/layer/sub", "usr/lib", "usr"])
async def test_a_folder_that_a_layer_has_a_part_in_cannot_be_renamed(
    guest: Puppet, path: str
) -> None:
    assert await change(guest, "path_remove_directory", ROOT, path) is Errno.NOTEMPTY
    assert await rename(guest, path, "moved") is Errno.XDEV
    assert await rename(guest, "tmp", path) is Errno.NOTEMPTY
    assert await change(guest, "path_create_directory", ROOT, path) is Errno.EXIST
    assert await symlink(guest, "x", path) is Errno.EXIST


async def test_names_and_links_do_not_go_from_one_mount_to_another(guest: Puppet) -> None:
    assert await rename(guest, "srv/data/note", "tmp/note") is Errno.XDEV
    assert await rename(guest, "etc/hostname", "srv/data/x") is Errno.XDEV
    assert await rename(guest, "etc/hostname", "memory/x") is Errno.XDEV
    link = (ROOT, 0, *guest.path("etc/hostname"), DATA, *guest.second_path("x"))
    assert await guest.call("path_link", *link) is Errno.XDEV
    up = (DATA, 0, *guest.path("note"), DATA, *guest.second_path("../../tmp/x"))
    assert await guest.call("path_link", *up) is Errno.XDEV
    assert await rename(guest, "note", "../../tmp/x", fd=DATA) is Errno.XDEV
    assert await rename(guest, "../data/note", "../../srv/data/moved", fd=DATA) is Errno.SUCCESS
    assert await text_of(guest, DATA, "moved") == "a note"


@pytest.mark.parametrize(
    ("target", "path", "content"),
    [
        ("../etc/hostname", "tmp/link", "web-1\n"),
        ("/etc/hostname", "tmp/link", "web-1\n"),
        ("../srv/data/note", "tmp/link", "a note"),
        ("/srv/data/note", "tmp/link", "a note"),
        ("/usr/lib/layer/sub/book", "tmp/link", "once upon a time"),
        ("/etc/app/hosts", "tmp/link", "a file of the host"),
        ("/net/hostname", "tmp/link", "web-1\n"),
        ("../../../../../../etc/hostname", "tmp/link", "web-1\n"),
        ("/etc/hostname", "memory/link", "web-1\n"),
        ("../etc/hostname", "memory/link", "web-1\n"),
    ],
)
async def test_symbolic_links_lead_anywhere_in_the_pod(
    guest: Puppet, target: str, path: str, content: str
) -> None:
    assert await symlink(guest, target, path) is Errno.SUCCESS
    assert await guest.readlink(ROOT, path) == target
    assert await text_of(guest, ROOT, path) == content
    unfollowed = await guest.stat(ROOT, path, follow=False)
    assert unfollowed.filetype is FileType.SYMBOLIC_LINK


async def test_folders_are_reached_through_links_and_back(guest: Puppet) -> None:
    assert await symlink(guest, "/srv", "tmp/services") is Errno.SUCCESS
    assert await symlink(guest, "/", "tmp/top") is Errno.SUCCESS
    assert await listed(guest, "tmp/services/data") == {"note"}
    assert await listed(guest, "tmp/services") == {"data"}
    assert "etc" in await listed(guest, "tmp/services/..")
    assert await text_of(guest, ROOT, "tmp/top/tmp/top/srv/data/note") == "a note"
    fd = await guest.open(ROOT, "tmp/services/data/new", create=Open.CREATE)
    await guest.write(fd, b"through a link")
    assert await text_of(guest, DATA, "new") == "through a link"
    assert await change(guest, "path_create_directory", ROOT, "tmp/services") is Errno.EXIST
    assert await change(guest, "path_unlink_file", ROOT, "tmp/services") is Errno.SUCCESS
    assert await listed(guest, "srv/data") == {"note", "new"}


async def test_links_that_lead_in_circles_or_nowhere_are_told(guest: Puppet) -> None:
    assert await symlink(guest, "b", "tmp/a") is Errno.SUCCESS
    assert await symlink(guest, "a", "tmp/b") is Errno.SUCCESS
    assert await guest.try_open(ROOT, "tmp/a") is Errno.LOOP
    assert await guest.try_open(ROOT, "tmp/a/x") is Errno.LOOP
    assert await symlink(guest, "/nowhere/at/all", "tmp/lost") is Errno.SUCCESS
    assert await guest.try_open(ROOT, "tmp/lost") is Errno.NOENT
    assert await guest.try_open(ROOT, "tmp/lost", create=Open.CREATE) is Errno.NOENT
    assert await symlink(guest, "/tmp/appears", "tmp/coming") is Errno.SUCCESS
    await guest.close(await guest.open(ROOT, "tmp/coming", create=Open.CREATE))
    assert (await guest.stat(ROOT, "tmp/appears")).filetype is FileType.REGULAR_FILE
    exclusive = Open.CREATE | Open.EXCLUSIVE
    assert await guest.try_open(ROOT, "tmp/lost", create=exclusive) is Errno.EXIST


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../secret", "../../../../../../../../etc/passwd", "../state", "/"],
)
async def test_links_that_the_host_put_on_a_volume_stay_in_the_pod(
    guest: Puppet, data: Path, target: str
) -> None:
    """An absolute one is not even read: the engine gives its text to nobody."""
    (data / "link").symlink_to(target)
    for directory, path in ((DATA, "link"), (ROOT, "srv/data/link")):
        error = await guest.try_open(directory, path, rights=wasi.READ_RIGHTS)
        if error:
            assert error in {Errno.NOENT, Errno.PERM}
            continue
        assert b"root:x:0:0:root:/root:/bin/sh" in await guest.read(await guest.opened())


async def test_moved_folders_keep_working_for_those_who_have_them_open(guest: Puppet) -> None:
    await change(guest, "path_create_directory", ROOT, "tmp/old")
    fd = await guest.open(ROOT, "tmp/old", create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    assert await rename(guest, "tmp/old", "tmp/new") is Errno.SUCCESS
    await guest.close(await guest.open(fd, "file", create=Open.CREATE))
    assert await listed(guest, "tmp/new") == {"file"}


async def test_a_fifo_or_a_device_does_not_hold_the_pod_up(guest: Puppet, data: Path) -> None:
    os.mkfifo(data / "pipe")
    (data / "link").symlink_to("pipe")
    for path in ("pipe", "link"):
        for rights in (wasi.READ_RIGHTS, wasi.ALL_RIGHTS):
            assert await guest.try_open(DATA, path, rights=rights) is Errno.NXIO
            assert await guest.try_open(ROOT, f"srv/data/{path}", rights=rights) is Errno.NXIO
    assert await change(guest, "path_unlink_file", DATA, "pipe") is Errno.SUCCESS


async def test_long_and_strange_paths_are_refused_with_an_errno(guest: Puppet) -> None:
    assert await guest.try_open(ROOT, "a/" * 2000 + "a" * 100) is Errno.NAMETOOLONG
    assert await guest.try_open(ROOT, "") in {Errno.NOENT, Errno.INVAL}
    assert await guest.try_open(ROOT, b"tmp/nul\0inside") in {Errno.INVAL, Errno.ILSEQ}
    wild = await guest.call("path_filestat_get", ROOT, 0, 0xFFFFFFF0, 5, SCRATCH)
    assert wild is Errno.FAULT
    wild = await guest.call("path_filestat_get", ROOT, 0, *guest.path("srv/data"), 0xFFFFFFF0)
    assert wild is Errno.FAULT


async def test_answers_may_be_put_anywhere_in_memory(guest: Puppet) -> None:
    """The kernel borrows memory of the guest for paths of its own, but not where answers go."""
    for place in range(4096, 60000, 2040):
        at = place - place % 8
        before = await guest.peek(0, 1 << 16)
        path = guest.path("srv/data", at=1024)
        await guest.checked("path_filestat_get", ROOT, 0, *path, at)
        after = await guest.peek(0, 1 << 16)
        answer = wasi.read_filestat(after[at : at + wasi.FILESTAT_SIZE])
        assert answer.filetype is FileType.DIRECTORY
        changed = {n for n in range(1 << 16) if before[n] != after[n]}
        allowed = {*range(at, at + 64), *range(1024, 1032)}
        assert {n for n in changed if n >= 8192 + 16384 or n in range(4096, 8192)} <= allowed


async def test_a_pod_may_have_no_root(pods: Lab, data: Path) -> None:
    guest = await pods.puppet(mounts=(Mount(source=data, target="/srv/data"),))
    assert await guest.try_open(3, "../../etc/passwd") is Errno.PERM
    assert await guest.try_open(3, "/etc/passwd") is Errno.PERM
    assert await text_of(guest, 3, "../data/note") == "a note"


async def test_limits_of_open_files_hold_for_the_root(pods: Lab, roots: Roots) -> None:
    guest = await pods.puppet(roots=roots, limits=Limits(descriptors=8))
    fds = []
    while not (error := await guest.try_open(3, "etc/hostname", rights=wasi.READ_RIGHTS)):
        fds.append(await guest.opened())
    assert error is Errno.MFILE
    assert fds
