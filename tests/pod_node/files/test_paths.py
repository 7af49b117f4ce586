"""Any path, through any links, resolves as Linux would resolve it in a chroot, or is refused.

The oracle is a file system in a dictionary: mounts are folders of it, and links are followed by the
rules of path_resolution(7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.files import Roots, remove_roots
from pod_node.spec import Mount, Tmpfs
from tests.support import wasi
from tests.support.lab import Lab, lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FileType

SCRATCH = BUFFER + 8192
LINKS_MOST = 40

Tree: TypeAlias = "dict[str, Tree | str]"
"""A folder's names; a text is a link's, or a file's with an equals sign before its content."""

WORDS = ("a", "b", "srv", "data", "mem", "file", "up", "abs", "loop", "gone", "..", ".", "")
LINKS = ("../a", "/srv/data", "..", "../../..", "/mem/b", "loop", "a/../b", "/", "file", "b/up/a")


class Oracle:
    """What a path leads to."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def resolve(self, path: str) -> str | Errno:
        """The content of a file, `/` for a folder, or why not."""
        place: list[str] = []
        names = path.split("/")[::-1]
        links = 0
        while names:
            name = names.pop()
            here = self._at(place)
            if not isinstance(here, dict):
                return Errno.NOTDIR
            if name in ("", "."):
                continue
            if name == "..":
                place = place[:-1]
                continue
            found = here.get(name)
            if found is None:
                return Errno.NOENT
            if isinstance(found, str) and not found.startswith("="):
                links += 1
                if links > LINKS_MOST:
                    return Errno.LOOP
                if found.startswith("/"):
                    place = []
                names += found.split("/")[::-1]
                continue
            place.append(name)
        end = self._at(place)
        if isinstance(end, dict):
            return "/"
        return end

    def _at(self, place: list[str]) -> Tree | str:
        node: Tree | str = self.tree
        for name in place:
            assert isinstance(node, dict)
            node = node[name]
        return node


def fresh_tree() -> Tree:
    return {
        "a": {"file": "=/a/file", "b": {"file": "=/a/b/file"}},
        "srv": {"data": {"file": "=/srv/data/file", "a": {"file": "=/srv/data/a/file"}}},
        "mem": {"b": {"file": "=/mem/b/file"}},
        "b": {},
    }


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
        yield Shared(runner, pods, tmp_path_factory.mktemp("paths"), count())
        runner.run(stack.aclose())


async def write(guest: Puppet, path: str, content: str) -> None:
    fd = await guest.open(guest.root, path, create=wasi.Open.CREATE)
    await guest.write(fd, content.encode())
    await guest.close(fd)


async def build(guest: Puppet, tree: Tree, at: str = "") -> None:
    for name, node in tree.items():
        path = f"{at}{name}"
        if isinstance(node, dict):
            await guest.call("path_create_directory", guest.root, *guest.path(path))
            await build(guest, node, f"{path}/")
        else:
            await write(guest, path, node)


async def ask(guest: Puppet, path: str) -> str | Errno:
    error = await guest.call("path_filestat_get", guest.root, 1, *guest.path(path), SCRATCH)
    if error:
        return error
    stat = wasi.read_filestat(await guest.peek(SCRATCH, wasi.FILESTAT_SIZE))
    if stat.filetype is FileType.DIRECTORY:
        return "/"
    fd = await guest.open(guest.root, path, rights=wasi.READ_RIGHTS)
    content = (await guest.read(fd)).decode()
    await guest.close(fd)
    return content


links = st.lists(
    st.tuples(
        st.sampled_from(["a/", "b/", "mem/", "mem/b/", "a/b/", "", "srv/data/"]),
        st.sampled_from(["up", "abs", "loop", "gone"]),
        st.sampled_from(LINKS),
    ),
    max_size=6,
)
paths = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(links=links, wanted=st.lists(paths, min_size=1, max_size=12))
def test_every_path_leads_where_linux_would_lead_it(
    shared: Shared, links: list[tuple[str, str, str]], wanted: list[str]
) -> None:
    shared.runner.run(compare(shared, links, wanted))


async def compare(shared: Shared, links: list[tuple[str, str, str]], wanted: list[str]) -> None:
    number = next(shared.numbers)
    state, data = shared.folder / f"state-{number}", shared.folder / f"data-{number}"
    data.mkdir()
    guest = await shared.pods.puppet(
        mounts=(Mount(source=data, target="/srv/data"),),
        tmpfs=(Tmpfs(target="/mem"),),
        roots=Roots(state),
    )
    try:
        tree = fresh_tree()
        await build(guest, tree)
        for link in links:
            await add_link(guest, tree, *link)
        oracle = Oracle(tree)
        for path in wanted:
            expected = oracle.resolve(path) if path else Errno.NOENT
            assert await ask(guest, path) == expected, path
    finally:
        await guest.kill()
        remove_roots(state)


async def add_link(guest: Puppet, tree: Tree, place: str, name: str, target: str) -> None:
    put = (*guest.path(target), guest.root, *guest.second_path(place + name))
    error = await guest.call("path_symlink", *put)
    if place == "srv/data/" and target.startswith("/"):
        assert error in (Errno.PERM, Errno.EXIST)  # the engine writes none to folders of the host
        return
    parent: Tree | str = tree
    for part in place.split("/")[:-1]:
        assert isinstance(parent, dict)
        parent = parent[part]
    assert isinstance(parent, dict)
    assert error is (Errno.EXIST if name in parent else Errno.SUCCESS)
    parent.setdefault(name, target)
