"""What a pod's files take is counted exactly, whatever it does, and never more than it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.files import Roots, remove_roots
from pod_node.files.roots import memory_folder
from pod_node.files.values import BLOCK_BYTES, blocks_of
from pod_node.spec import Limits, Tmpfs
from tests.support import wasi
from tests.support.lab import Lab, eventually, lab
from tests.support.puppet import ANSWER, BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, Open

SCRATCH = BUFFER + 40960
DISK_BLOCKS, MEMORY_BLOCKS = 24, 6
NAMES = ("tmp/a", "tmp/b", "tmp/d/c", "memory/a", "memory/b")
WHOLE = 4096 * 5 + 100
"""The most bytes of one write."""


def taken(folder: Path) -> int:
    """Count the blocks below a folder by looking at it."""
    seen: dict[int, int] = {}
    for path in folder.rglob("*"):
        stat = path.lstat()
        regular = path.is_file() and not path.is_symlink()
        seen[stat.st_ino] = blocks_of(stat.st_size) if regular else 1
    return sum(seen.values())


@dataclass
class Run:
    """One pod, and what the test has open in it."""

    guest: Puppet
    root: Path
    memory: Path
    files: dict[int, bool] = field(default_factory=dict)
    """Open descriptors, and whether each is in memory."""

    async def check(self) -> None:
        """Compare what the kernel counts with what is there."""
        assert self.guest.guest.pod is not None
        whole, memory = self.guest.guest.pod.disks().usage()
        unlinked: dict[tuple[int, bool], int] = {}
        for fd, there in self.files.items():
            stat = await self.guest.filestat(fd)
            if stat.links == 0:
                unlinked[stat.inode, there] = blocks_of(stat.size)
        in_memory = taken(self.memory) + sum(
            n for (_, memory_too), n in unlinked.items() if memory_too
        )
        on_disk = taken(self.root) + sum(
            n for (_, memory_too), n in unlinked.items() if not memory_too
        )
        assert memory.used_bytes == in_memory * BLOCK_BYTES
        assert whole.used_bytes == (on_disk + in_memory) * BLOCK_BYTES
        assert whole.used_bytes <= whole.limit_bytes
        assert memory.used_bytes <= memory.limit_bytes

    def room(self, *, in_memory: bool) -> int:
        assert self.guest.guest.pod is not None
        whole, memory = self.guest.guest.pod.disks().usage()
        rooms = [(usage.limit_bytes - usage.used_bytes) // BLOCK_BYTES for usage in (whole, memory)]
        return min(rooms) if in_memory else rooms[0]

    async def act(self, verb: str, name: str, other: str, size: int) -> None:
        await getattr(self, f"do_{verb}")(name, other, size)

    async def do_open(self, name: str, _: str, size: int) -> None:
        create = (Open.CREATE, Open.CREATE | Open.TRUNCATE, Open.TRUNCATE, Open.NONE)[size % 4]
        flags = FdFlag.APPEND if size % 3 == 0 else FdFlag.NONE
        before = self.room(in_memory=name.startswith("memory"))
        error = await self.guest.try_open(self.guest.root, name, flags, create)
        if not error:
            self.files[await self.guest.opened()] = name.startswith("memory")
        elif error in (Errno.DQUOT, Errno.NOSPC):
            assert before == 0
        else:
            assert error in (Errno.NOENT, Errno.ISDIR, Errno.LOOP, Errno.INVAL, Errno.NOTDIR)

    async def do_write(self, name: str, _: str, size: int) -> None:
        for fd, in_memory in list(self.files.items())[: 1 + size % 3]:
            stat = await self.guest.filestat(fd)
            appends = bool((await self.guest.fdstat(fd)).flags & FdFlag.APPEND)
            position = stat.size if appends else await self.guest.tell_position(fd)
            room = self.room(in_memory=in_memory)
            end = max((blocks_of(stat.size) + room) * BLOCK_BYTES, stat.size)
            expected = min(size, max(0, end - position))
            error = await self.guest.try_write(fd, b"x" * size)
            if size and expected == 0:
                assert error in (Errno.DQUOT, Errno.NOSPC)
            else:
                assert error is Errno.SUCCESS
                assert await self.guest.peek_u32(ANSWER) == expected or size == 0

    async def do_pwrite(self, name: str, _: str, size: int) -> None:
        for fd in list(self.files)[:1]:
            self.guest.poke(BUFFER, b"y" * 100)
            offset = size * 3
            arguments = (fd, *self.guest.buffers(60, 40), offset, SCRATCH)
            error = await self.guest.call("fd_pwrite", *arguments)
            assert error in (Errno.SUCCESS, Errno.DQUOT, Errno.NOSPC)

    async def do_resize(self, name: str, _: str, size: int) -> None:
        for fd in list(self.files)[-1:]:
            error = await self.guest.call("fd_filestat_set_size", fd, size * (1 + size % 7))
            assert error in (Errno.SUCCESS, Errno.DQUOT, Errno.NOSPC)

    async def do_close(self, name: str, _: str, size: int) -> None:
        for fd in list(self.files)[: size % 3]:
            del self.files[fd]
            await self.guest.close(fd)

    async def do_unlink(self, name: str, _: str, size: int) -> None:
        error = await self.guest.call("path_unlink_file", self.guest.root, *self.guest.path(name))
        assert error in (Errno.SUCCESS, Errno.NOENT, Errno.ISDIR, Errno.PERM, Errno.NOTDIR)

    async def do_rename(self, name: str, other: str, size: int) -> None:
        root, guest = self.guest.root, self.guest
        names = (root, *guest.path(name), root, *guest.second_path(other))
        await guest.call("path_rename", *names)

    async def do_link(self, name: str, other: str, size: int) -> None:
        root, guest = self.guest.root, self.guest
        await guest.call("path_link", root, 0, *guest.path(name), root, *guest.second_path(other))

    async def do_symlink(self, name: str, other: str, size: int) -> None:
        target = self.guest.path("/tmp/d" if size % 2 else "a")
        put = (*target, self.guest.root, *self.guest.second_path(other))
        await self.guest.call("path_symlink", *put)

    async def do_mkdir(self, name: str, other: str, size: int) -> None:
        await self.guest.call("path_create_directory", self.guest.root, *self.guest.path(other))

    async def do_rmdir(self, name: str, other: str, size: int) -> None:
        await self.guest.call("path_remove_directory", self.guest.root, *self.guest.path(other))


@dataclass(frozen=True)
class Shared:
    """One fabric for all examples."""

    runner: asyncio.Runner
    pods: Lab
    folder: Path
    numbers: Iterator[int]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        pods = runner.run(stack.enter_async_context(lab()))
        yield Shared(runner, pods, tmp_path_factory.mktemp("disk"), count())
        runner.run(stack.aclose())


VERBS = (
    *("open", "open", "write", "write", "pwrite", "resize", "close", "unlink", "rename"),
    *("link", "symlink", "mkdir", "rmdir"),
)
steps = st.tuples(
    st.sampled_from(VERBS),
    st.sampled_from(NAMES),
    st.sampled_from((*NAMES, "tmp/d")),
    st.integers(0, WHOLE),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=st.lists(steps, max_size=25))
def test_what_is_counted_is_what_is_there(
    shared: Shared, plan: list[tuple[str, str, str, int]]
) -> None:
    shared.runner.run(follow(shared, plan))


async def follow(shared: Shared, plan: list[tuple[str, str, str, int]]) -> None:
    state = shared.folder / f"state-{next(shared.numbers)}"
    roots = Roots(state)
    guest = await shared.pods.puppet(
        name="web-1",
        tmpfs=(Tmpfs(target="/memory", size_bytes=MEMORY_BLOCKS * BLOCK_BYTES),),
        limits=Limits(disk_bytes=DISK_BLOCKS * BLOCK_BYTES),
        roots=roots,
    )
    try:
        memory = memory_folder(state) / "web-1" / "0"
        run = Run(guest, state / "roots" / "web-1", memory)
        await guest.checked("path_create_directory", guest.root, *guest.path("tmp/d"))
        for step in plan:
            await run.act(*step)
            await run.check()
        assert guest.guest.pod is not None
        await guest.kill()
    finally:
        guest.guest.kill()
        remove_roots(state)


async def test_a_full_disk_says_so_and_goes_on_when_there_is_room(pods: Lab, roots: Roots) -> None:
    guest = await pods.puppet(
        roots=roots,
        tmpfs=(Tmpfs(target="/memory", size_bytes=8 * BLOCK_BYTES),),
        limits=Limits(disk_bytes=64 * BLOCK_BYTES),
    )
    fd = await guest.open(guest.root, "tmp/file", create=Open.CREATE)
    written = 0
    while not (error := await guest.try_write(fd, b"x" * 20000)):
        written += await guest.peek_u32(ANSWER)
    assert error is Errno.DQUOT
    assert guest.guest.pod is not None
    whole, memory = guest.guest.pod.disks().usage()
    assert whole.used_bytes == whole.limit_bytes
    assert whole.refusals >= 1
    assert (await guest.stat(guest.root, "tmp/file")).size == written
    assert await guest.try_open(guest.root, "memory/x", create=Open.CREATE) is Errno.DQUOT
    for call in ("path_create_directory",):
        assert await guest.call(call, guest.root, *guest.path("tmp/x")) is Errno.DQUOT
    await guest.checked("fd_filestat_set_size", fd, 0)
    assert await guest.try_open(guest.root, "memory/x", create=Open.CREATE) is Errno.SUCCESS
    in_memory = await guest.opened()
    assert await guest.call("fd_filestat_set_size", in_memory, 1 << 30) is Errno.NOSPC
    assert memory.refusals == 0


async def test_the_node_hears_once_of_each_disk_that_is_full(pods: Lab, roots: Roots) -> None:
    told: list[tuple[str, str]] = []
    pods.runtime.report_full_disks(lambda pod, target: told.append((pod, target)))
    limits = Limits(disk_bytes=64 * BLOCK_BYTES)
    memory = Tmpfs(target="/memory", size_bytes=8 * BLOCK_BYTES)
    other = await pods.puppet(name="roomy", roots=roots)
    guest = await pods.puppet(name="full", roots=roots, tmpfs=(memory,), limits=limits)
    fd = await guest.open(guest.root, "memory/file", create=Open.CREATE)
    for _ in range(3):
        assert await guest.call("fd_filestat_set_size", fd, 1 << 20) is Errno.NOSPC
    await eventually(lambda: told)
    fd = await guest.open(guest.root, "tmp/file", create=Open.CREATE)
    for _ in range(3):
        assert await guest.call("fd_filestat_set_size", fd, 1 << 20) is Errno.DQUOT
    await eventually(lambda: len(told) > 1)
    fd = await other.open(other.root, "tmp/file", create=Open.CREATE)
    assert await other.call("fd_filestat_set_size", fd, 1 << 40) is Errno.DQUOT
    await eventually(lambda: len(told) > 2)
    assert told == [("full", "/memory"), ("full", "/"), ("roomy", "/")]


async def test_an_unlinked_file_is_counted_until_it_is_closed(pods: Lab, roots: Roots) -> None:
    guest = await pods.puppet(roots=roots)

    def used() -> int:
        assert guest.guest.pod is not None
        return guest.guest.pod.disks().usage()[0].used_bytes // BLOCK_BYTES

    before = used()
    first = await guest.open(guest.root, "tmp/file", create=Open.CREATE)
    second = await guest.open(guest.root, "tmp/file", rights=wasi.READ_RIGHTS)
    await guest.write(first, b"x" * 20000)
    assert used() == before + 5
    await guest.checked("path_unlink_file", guest.root, *guest.path("tmp/file"))
    assert used() == before + 5
    await guest.write(first, b"x" * 20000)
    assert used() == before + 10
    await guest.close(first)
    assert used() == before + 10
    await guest.close(second)
    assert used() == before


async def test_what_a_killed_pod_had_unlinked_is_free_again(pods: Lab, roots: Roots) -> None:
    interfaces = (pods.interface("front"),)
    guest = await pods.puppet(name="web-1", roots=roots, interfaces=interfaces)
    assert guest.guest.pod is not None
    before = guest.guest.pod.disks().usage()
    fd = await guest.open(guest.root, "tmp/file", create=Open.CREATE)
    await guest.write(fd, b"x" * 20000)
    await guest.checked("path_unlink_file", guest.root, *guest.path("tmp/file"))
    await guest.kill()
    again = await pods.puppet(name="web-1", roots=roots, interfaces=interfaces)
    assert again.guest.pod is not None
    kept = again.guest.pod.disks().usage()
    assert [usage.used_bytes for usage in kept] == [usage.used_bytes for usage in before]
