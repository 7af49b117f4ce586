"""`/dev` of a pod that has a root."""

from __future__ import annotations

import pytest

from pod_node.files import Roots
from pod_node.spec import Mount, Tmpfs
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FileType, Open

ROOT = 3


@pytest.fixture
async def guest(pods: Lab, roots: Roots) -> Puppet:
    return await pods.puppet(roots=roots)


async def test_null_takes_everything_and_gives_nothing(guest: Puppet) -> None:
    fd = await guest.open(ROOT, "dev/null", create=Open.CREATE | Open.TRUNCATE)
    assert await guest.write(fd, b"x" * 1000) == 1000
    assert await guest.read(fd) == b""
    assert (await guest.filestat(fd)).filetype is FileType.CHARACTER_DEVICE


async def test_zero_full_and_random_are_as_on_linux(guest: Puppet) -> None:
    zero = await guest.open(ROOT, "dev/zero")
    assert await guest.read(zero, 3000) == bytes(3000)
    assert await guest.write(zero, b"x") == 1
    full = await guest.open(ROOT, "dev/full")
    assert await guest.read(full, 10) == bytes(10)
    assert await guest.try_write(full, b"x") is Errno.NOSPC
    for name in ("random", "urandom"):
        fd = await guest.open(ROOT, f"dev/{name}", rights=wasi.READ_RIGHTS)
        first, second = await guest.read(fd, 64), await guest.read(fd, 64)
        assert len(first) == len(second) == 64
        assert first != second


async def test_stderr_is_what_the_process_has_as_2(guest: Puppet) -> None:
    fd = await guest.open(ROOT, "dev/stderr")
    await guest.write(fd, b"said\n")
    await guest.guest.until(lambda one: one.errors == b"said\n")


async def test_its_names_are_listed_and_cannot_be_changed(guest: Puppet) -> None:
    fd = await guest.open(ROOT, "dev", create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    names, cookie = [], 0
    while entries := await guest.readdir(fd, cookie, size=70):
        names += [entry.name for entry in entries]
        cookie = entries[-1].following
    assert sorted(names) == [
        *("full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"),
    ]
    assert (await guest.stat(fd, "./zero")).filetype is FileType.CHARACTER_DEVICE
    assert (await guest.stat(ROOT, "dev")).filetype is FileType.DIRECTORY
    assert await guest.try_open(fd, "sda", rights=wasi.READ_RIGHTS) is Errno.NOENT
    for call, path in (("path_unlink_file", "null"), ("path_create_directory", "own")):
        assert await guest.call(call, fd, *guest.path(path)) is Errno.ROFS
        assert await guest.call(call, ROOT, *guest.path(f"dev/{path}")) is Errno.ROFS


async def test_a_child_inherits_a_device(guest: Puppet, pods: Lab) -> None:
    fd = await guest.open(ROOT, "dev/zero")
    child = await pods.spawn_puppet(guest, f"f{fd} {fd}")
    assert await child.read(fd, 5) == bytes(5)


async def test_something_may_be_mounted_there_and_below(pods: Lab, roots: Roots) -> None:
    guest = await pods.puppet(tmpfs=(Tmpfs(target="/dev/shm"),), roots=roots)
    await guest.close(await guest.open(guest.root, "dev/shm/segment", create=Open.CREATE))
    await guest.close(await guest.open(guest.root, "dev/null"))


async def test_a_volume_in_its_place_is_the_users_own(
    pods: Lab, roots: Roots, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mount = Mount(source=tmp_path_factory.mktemp("dev"), target="/dev")
    guest = await pods.puppet(mounts=(mount,), roots=roots)
    assert await guest.try_open(guest.root, "dev/null") is Errno.NOENT


async def test_reading_into_memory_that_is_not_there_is_refused(guest: Puppet) -> None:
    fd = await guest.open(ROOT, "dev/urandom", rights=wasi.READ_RIGHTS)
    iovec = guest.poke(4096, (0xFFFFFFF0).to_bytes(4, "little") + (64).to_bytes(4, "little"))
    assert await guest.call("fd_read", fd, iovec, 1, 4104) is Errno.FAULT
