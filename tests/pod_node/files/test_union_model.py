"""Any sequence of file operations in a pod's union does what it does in a plain copy of the tree.

The oracle is Linux: the same operations on a folder that is not layered. Only a directory of a
layer that is to be renamed may be refused where Linux renames it (EXDEV, as overlayfs does).
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.files import Roots, remove_roots
from pod_node.spec import Mount
from tests.support import wasi
from tests.support.lab import Lab, lab
from tests.support.puppet import BUFFER, Puppet, WasiError
from tests.support.wasi import Errno, FdFlag, FileType, Open

TARGET = "/usr/lib/layer"
FIRST, SECOND, ROOT = 3, 4, 5
SCRATCH = BUFFER + 8192

Answer: TypeAlias = "object"
Step: TypeAlias = "tuple[str, ...]"

PATHS = (
    *("a", "b", "d", "d/a", "d/e", "d/e/a", "d/link", "link", "up", "f", "new", "new/a", "d/new"),
    *("d/e/../a", "e", "d/a/x", "link/a", "up/a", "./d", "d/e/"),
)
TIME_NS = 1_000_000_000_000_000_000

path = st.sampled_from(PATHS)
steps = st.one_of(
    st.tuples(st.sampled_from(["read", "list", "stat", "lstat", "readlink"]), path),
    st.tuples(st.sampled_from(["mkdir", "unlink", "rmdir", "touch"]), path),
    st.tuples(st.sampled_from(["exclusive", "truncate", "ensure"]), path),
    st.tuples(st.sampled_from(["write", "append"]), path, st.sampled_from(["x", "long " * 2000])),
    st.tuples(st.sampled_from(["rename", "link"]), path, path),
    st.tuples(st.just("symlink"), st.sampled_from(["a", "d", "../b", "e", "loop"]), path),
)


def build_layers(folder: Path) -> tuple[Path, Path]:
    """Two layers with the same target: of what both have, the first one's is seen."""
    first, second = folder / "first", folder / "second"
    (first / "d").mkdir(parents=True)
    (first / "a").write_text("first a")
    (first / "d" / "a").write_text("first d/a")
    (first / "link").symlink_to("d")
    (second / "d" / "e").mkdir(parents=True)
    (second / "a").write_text("second a")
    (second / "b").write_text("second b " * 9000)
    (second / "d" / "e" / "a").write_text("second d/e/a")
    (second / "d" / "link").symlink_to("../a")
    (second / "e").mkdir()
    for place in (first, second):
        for name in sorted(place.rglob("*")):
            os.utime(name, ns=(TIME_NS, TIME_NS), follow_symlinks=False)
    return first, second


def merge(layers: tuple[Path, Path], into: Path) -> None:
    into.mkdir(parents=True)
    for layer in reversed(layers):
        shutil.copytree(layer, into, symlinks=True, dirs_exist_ok=True)


def digest(folder: Path) -> str:
    """All names, contents and times of a tree."""
    whole = hashlib.sha256()
    for name in sorted(folder.rglob("*")):
        found = name.lstat()
        content = name.read_bytes() if name.is_file() and not name.is_symlink() else b""
        whole.update(f"{name} {found.st_mode} {found.st_mtime_ns} {found.st_ino}".encode())
        whole.update(content)
    return whole.hexdigest()


Tree: TypeAlias = "dict[str, str]"


def tree_of(folder: Path) -> Tree:
    tree = {}
    for name in folder.rglob("*"):
        key = str(name.relative_to(folder))
        if name.is_symlink():
            tree[key] = f"-> {os.readlink(name)}"
        else:
            tree[key] = "folder" if name.is_dir() else hashlib.sha256(name.read_bytes()).hexdigest()
    return tree


class Plain:
    """The operations on a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, step: Step) -> Answer:
        operation: Callable[..., Answer] = getattr(self, step[0])
        try:
            return operation(*step[1:])
        except OSError as error:
            assert error.errno is not None
            return Errno[errno.errorcode[error.errno].removeprefix("E")]

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _open(self, name: str, flags: int, data: bytes = b"") -> Answer:
        fd = os.open(self._at(name), flags | os.O_WRONLY)
        os.write(fd, data)
        os.close(fd)
        return None

    def read(self, name: str) -> Answer:
        fd = os.open(self._at(name), os.O_RDONLY)
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                return Errno.BADF  # so says the engine of any folder
            return hashlib.sha256(os.read(fd, 1 << 20)).hexdigest()
        finally:
            os.close(fd)

    def list(self, name: str) -> Answer:
        return sorted(os.listdir(self._at(name)))

    def stat(self, name: str) -> Answer:
        return _plain_stat(os.stat(self._at(name)))

    def lstat(self, name: str) -> Answer:
        return _plain_stat(os.lstat(self._at(name)))

    def readlink(self, name: str) -> Answer:
        return os.readlink(self._at(name))

    def mkdir(self, name: str) -> None:
        os.mkdir(self._at(name))

    def unlink(self, name: str) -> None:
        os.unlink(self._at(name))

    def rmdir(self, name: str) -> None:
        os.rmdir(self._at(name))

    def touch(self, name: str) -> None:
        os.utime(self._at(name), ns=(5, 7))

    def exclusive(self, name: str) -> Answer:
        return self._open(name, os.O_CREAT | os.O_EXCL, b"exclusive")

    def truncate(self, name: str) -> Answer:
        return self._open(name, os.O_TRUNC)

    def ensure(self, name: str) -> None:
        os.close(os.open(self._at(name), os.O_CREAT | os.O_RDONLY))

    def write(self, name: str, data: str) -> Answer:
        return self._open(name, os.O_CREAT, data.encode())

    def append(self, name: str, data: str) -> Answer:
        return self._open(name, os.O_APPEND, data.encode())

    def rename(self, old: str, new: str) -> None:
        os.rename(self._at(old), self._at(new))

    def link(self, old: str, new: str) -> None:
        os.link(self._at(old), self._at(new), follow_symlinks=False)

    def symlink(self, target: str, name: str) -> None:
        os.symlink(target, self._at(name))


def _plain_stat(found: os.stat_result) -> Answer:
    kind = {
        stat.S_IFDIR: FileType.DIRECTORY,
        stat.S_IFREG: FileType.REGULAR_FILE,
        stat.S_IFLNK: FileType.SYMBOLIC_LINK,
    }[stat.S_IFMT(found.st_mode)]
    return _facts(kind, found.st_size, found.st_mtime_ns)


def _facts(kind: FileType, size: int, mtime_ns: int) -> Answer:
    """What both have in common: times of what is made now differ, and sizes of folders."""
    is_file = kind is FileType.REGULAR_FILE
    return kind, size if is_file else 0, mtime_ns if is_file and mtime_ns <= TIME_NS else None


class InPod:
    """The operations of a guest, alternately from the root and from the layer's folder."""

    def __init__(self, guest: Puppet) -> None:
        self._guest = guest
        self._numbers = count()

    async def run(self, step: Step) -> Answer:
        operation = getattr(self, step[0])
        try:
            answer = await operation(*step[1:])
        except WasiError as error:
            return error.error
        assert isinstance(answer, object)
        return answer

    def _at(self, name: str) -> tuple[int, str]:
        number = next(self._numbers) % 3
        return (ROOT, f"{TARGET[1:]}/{name}") if number == 2 else (FIRST + number, name)

    async def _call(self, call: str, name: str) -> Answer:
        fd, path = self._at(name)
        await self._guest.checked(call, fd, *self._guest.path(path))
        return None

    async def _open(
        self, name: str, create: Open, data: bytes = b"", flags: FdFlag = FdFlag.NONE
    ) -> Answer:
        fd = await self._guest.open(*self._at(name), flags, create)
        while data:
            data = data[await self._guest.write(fd, data[:4096]) :]
        await self._guest.close(fd)
        return None

    async def read(self, name: str) -> Answer:
        fd = await self._guest.open(*self._at(name), rights=wasi.READ_RIGHTS)
        try:
            return hashlib.sha256(await self._guest.read_exactly(fd, 1 << 20)).hexdigest()
        finally:
            await self._guest.close(fd)

    async def list(self, name: str) -> Answer:
        at = self._at(name)
        fd = await self._guest.open(*at, create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
        names, cookie = [], 0
        while entries := await self._guest.readdir(fd, cookie, size=64):
            names += [entry.name for entry in entries]
            cookie = entries[-1].following
        await self._guest.close(fd)
        assert {".", ".."} <= set(names)
        return sorted(one for one in names if one not in (".", ".."))

    async def stat(self, name: str) -> Answer:
        found = await self._guest.stat(*self._at(name))
        return _facts(found.filetype, found.size, found.mtim)

    async def lstat(self, name: str) -> Answer:
        found = await self._guest.stat(*self._at(name), follow=False)
        return _facts(found.filetype, found.size, found.mtim)

    async def readlink(self, name: str) -> Answer:
        return await self._guest.readlink(*self._at(name))

    async def mkdir(self, name: str) -> Answer:
        return await self._call("path_create_directory", name)

    async def unlink(self, name: str) -> Answer:
        return await self._call("path_unlink_file", name)

    async def rmdir(self, name: str) -> Answer:
        return await self._call("path_remove_directory", name)

    async def touch(self, name: str) -> Answer:
        fd, path = self._at(name)
        text = self._guest.path(path)
        await self._guest.checked("path_filestat_set_times", fd, 1, *text, 5, 7, 5)
        return None

    async def exclusive(self, name: str) -> Answer:
        return await self._open(name, Open.CREATE | Open.EXCLUSIVE, b"exclusive")

    async def truncate(self, name: str) -> Answer:
        return await self._open(name, Open.TRUNCATE)

    async def ensure(self, name: str) -> Answer:
        rights = wasi.READ_RIGHTS
        fd = await self._guest.open(*self._at(name), create=Open.CREATE, rights=rights)
        await self._guest.close(fd)
        return None

    async def write(self, name: str, data: str) -> Answer:
        return await self._open(name, Open.CREATE, data.encode())

    async def append(self, name: str, data: str) -> Answer:
        return await self._open(name, Open.NONE, data.encode(), FdFlag.APPEND)

    async def _pair(self, call: str, old: str, new: str, *flags: int) -> Answer:
        (old_fd, old_path), (new_fd, new_path) = self._at(old), self._at(new)
        texts = (*self._guest.path(old_path), new_fd, *self._guest.second_path(new_path))
        await self._guest.checked(call, old_fd, *flags, *texts)
        return None

    async def rename(self, old: str, new: str) -> Answer:
        return await self._pair("path_rename", old, new)

    async def link(self, old: str, new: str) -> Answer:
        return await self._pair("path_link", old, new, 0)

    async def symlink(self, target: str, name: str) -> Answer:
        fd, path = self._at(name)
        texts = (*self._guest.path(target), fd, *self._guest.second_path(path))
        await self._guest.checked("path_symlink", *texts)
        return None


async def seen_tree(in_pod: InPod, folder: str = ".", prefix: str = "") -> Tree:
    tree: Tree = {}
    names = await in_pod.list(folder)
    assert isinstance(names, list)
    for name in names:
        key = f"{prefix}{name}"
        found = await in_pod.lstat(key)
        assert isinstance(found, tuple)
        if found[0] is FileType.DIRECTORY:
            tree[key] = "folder"
            tree |= await seen_tree(in_pod, key, f"{key}/")
        elif found[0] is FileType.SYMBOLIC_LINK:
            tree[key] = f"-> {await in_pod.readlink(key)}"
        else:
            tree[key] = str(await in_pod.read(key))
    return tree


@dataclass(frozen=True)
class Shared:
    """One fabric and one pair of layers for all examples."""

    runner: asyncio.Runner
    pods: Lab
    folder: Path
    layers: tuple[Path, Path]
    numbers: Iterator[int]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        pods = runner.run(stack.enter_async_context(lab()))
        folder = tmp_path_factory.mktemp("union")
        yield Shared(runner, pods, folder, build_layers(folder), count())
        runner.run(stack.aclose())


@settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=st.lists(steps, min_size=1, max_size=25))
def test_a_union_is_like_a_plain_folder(shared: Shared, sequence: list[Step]) -> None:
    before = [digest(layer) for layer in shared.layers]
    shared.runner.run(compare(shared, sequence))
    assert [digest(layer) for layer in shared.layers] == before


async def compare(shared: Shared, sequence: list[Step]) -> None:
    number = next(shared.numbers)
    state, plain_folder = shared.folder / f"state-{number}", shared.folder / f"plain-{number}"
    merge(shared.layers, plain_folder / TARGET[1:])
    roots = Roots(state)
    mounts = tuple(
        Mount(source=layer, target=TARGET, read_only=True, layer=True, links=True)
        for layer in shared.layers
    )
    guest = await shared.pods.puppet(name="union", mounts=mounts, roots=roots)
    plain, in_pod = Plain(plain_folder / TARGET[1:]), InPod(guest)
    try:
        for step in sequence:
            answer = await in_pod.run(step)
            if answer is Errno.XDEV and step[0] == "rename":
                old = plain_folder / TARGET[1:] / step[1]
                assert old.is_dir()
                assert not old.is_symlink()
                continue
            expected = plain.run(step)
            if step[0] in ("rename", "link") and {answer, expected} == {Errno.NOENT, Errno.NOTDIR}:
                continue  # both paths are wrong, and nobody says which is looked at first
            assert answer == expected, step
        assert await seen_tree(in_pod) == tree_of(plain_folder / TARGET[1:])
    finally:
        await guest.kill()
        remove_roots(state)
        shutil.rmtree(plain_folder)
