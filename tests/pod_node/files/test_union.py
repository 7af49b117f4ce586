"""A pod's root over its image's layers: one tree, of which only the root is ever written to."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pod_node.files import CopyError, DiskBook, PodTree, Roots
from pod_node.files.archive import read_archive, remove, write_archive
from pod_node.files.values import BLOCK_BYTES, blocks_of
from pod_node.spec import Limits, Mount, Tmpfs
from tests.support import wasi
from tests.support.lab import Lab, eventually, pod_imports
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FileType, Open
from tests.support.wat import Op, record

TARGET = "/usr/lib/layer"
IN_ROOT = TARGET[1:]
LAYER, ROOT = 3, 4
SCRATCH = BUFFER + 8192
BIG = 300_000
"""More than is copied at once, and no multiple of it."""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "layer"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "book").write_text("once upon a time")
    (folder / "sub" / "page").write_text("a page")
    (folder / "sub" / "deep" / "line").write_text("a line")
    (folder / "big").write_bytes(bytes(range(256)) * (BIG // 256 + 1))
    os.truncate(folder / "big", BIG)
    for path in sorted(folder.rglob("*")):
        os.utime(path, ns=(10**18, 10**18))
    return folder


def mounts(layer: Path) -> tuple[Mount, ...]:
    return (Mount(source=layer, target=TARGET, read_only=True, layer=True),)


@pytest.fixture
async def guest(pods: Lab, roots: Roots, layer: Path) -> Puppet:
    return await pods.puppet(name="web-1", mounts=mounts(layer), roots=roots)


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    return tmp_path / "state" / "roots" / "web-1" / IN_ROOT


def book_of(guest: Puppet) -> DiskBook:
    assert guest.guest.pod is not None
    return guest.guest.pod.disks()


def used_blocks(guest: Puppet) -> int:
    return book_of(guest).usage()[0].used_bytes // BLOCK_BYTES


def tree_of(guest: Puppet, roots: Roots, layer: Path) -> PodTree:
    """What `podnet cp` goes through while the pod runs."""
    assert guest.guest.pod is not None
    folders = roots.open(guest.guest.pod.spec, mounts(layer))
    return PodTree.of_pod(mounts(layer), folders, book_of(guest).hidden(), running=True)


def names_in(tree: PodTree, path: str) -> dict[str, bytes]:
    stream = io.BytesIO(b"".join(read_archive(tree, path, follow=False)))
    with tarfile.open(fileobj=stream) as archive:
        files = {one.name: archive.extractfile(one) for one in archive.getmembers()}
    return {name: file.read() if file else b"" for name, file in files.items()}


async def started_again(guest: Puppet, pods: Lab, roots: Roots) -> Puppet:
    await guest.kill()
    assert guest.guest.pod is not None
    spec = guest.guest.pod.spec
    interfaces, mounts = spec.interfaces, spec.mounts
    return await pods.puppet(name=spec.name, mounts=mounts, interfaces=interfaces, roots=roots)


def names_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def blocks_below(folder: Path) -> int:
    found = [path.lstat() for path in folder.rglob("*")]
    return sum(blocks_of(one.st_size) if stat.S_ISREG(one.st_mode) else 1 for one in found)


def archive_of(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


async def text_of(guest: Puppet, directory: int, path: str) -> str:
    fd = await guest.open(directory, path, rights=wasi.READ_RIGHTS)
    text = (await guest.read(fd)).decode()
    await guest.close(fd)
    return text


async def write(guest: Puppet, path: str, text: str, create: Open = Open.CREATE) -> None:
    fd = await guest.open(LAYER, path, create=create)
    await guest.write(fd, text.encode())
    await guest.close(fd)


async def listed(guest: Puppet, directory: int, path: str) -> list[str]:
    fd = await guest.open(directory, path, create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    names = sorted(entry.name for entry in await guest.readdir(fd))
    await guest.close(fd)
    return [name for name in names if name not in (".", "..")]


async def change(guest: Puppet, call: str, path: str, fd: int = LAYER) -> Errno:
    return await guest.call(call, fd, *guest.path(path))


async def rename(guest: Puppet, old: str, new: str, new_fd: int = LAYER) -> Errno:
    paths = (*guest.path(old), new_fd, *guest.second_path(new))
    return await guest.call("path_rename", LAYER, *paths)


async def test_a_file_that_is_written_is_copied_and_the_layer_stays(
    guest: Puppet, layer: Path, upper: Path
) -> None:
    fd = await guest.open(LAYER, "big")
    await guest.write(fd, b"new")
    content = (layer / "big").read_bytes()
    assert (upper / "big").read_bytes() == b"new" + content[3:]
    assert (
        hashlib.sha256(content).digest()
        == hashlib.sha256(bytes(number % 256 for number in range(BIG))).digest()
    )
    assert await text_of(guest, LAYER, "sub/page") == "a page"
    assert not (upper / "sub").exists()


async def test_times_are_copied_and_can_be_changed(guest: Puppet, upper: Path) -> None:
    fd = await guest.open(LAYER, "sub/page")
    assert (await guest.filestat(fd)).mtim == 10**18
    assert (upper / "sub").stat().st_mtime_ns == 10**18
    read_only = await guest.open(LAYER, "book", rights=wasi.READ_RIGHTS)
    await guest.checked("fd_filestat_set_times", read_only, 5, 7, 5)
    assert (await guest.stat(LAYER, "book")).mtim == 7
    assert await guest.read(read_only) == b"once upon a time"


async def test_who_reads_a_file_goes_on_reading_what_it_was(guest: Puppet) -> None:
    before = await guest.open(LAYER, "book", rights=wasi.READ_RIGHTS)
    await write(guest, "book", "NEW", Open.TRUNCATE)
    assert await guest.read(before) == b"once upon a time"
    assert await text_of(guest, LAYER, "book") == "NEW"
    assert await text_of(guest, ROOT, f"{IN_ROOT}/book") == "NEW"


async def test_another_process_of_the_pod_sees_what_was_changed(guest: Puppet, pods: Lab) -> None:
    other = await pods.spawn_puppet(guest)
    assert await text_of(other, LAYER, "book") == "once upon a time"
    await write(guest, "book", "NEW", Open.TRUNCATE)
    assert await change(guest, "path_unlink_file", "sub/page") is Errno.SUCCESS
    assert await text_of(other, LAYER, "book") == "NEW"
    assert await other.try_open(LAYER, "sub/page", rights=wasi.READ_RIGHTS) is Errno.NOENT


async def test_a_child_inherits_what_a_file_was_when_it_was_opened(
    guest: Puppet, pods: Lab
) -> None:
    before = await guest.open(LAYER, "book", rights=wasi.READ_RIGHTS)
    await write(guest, "book", "NEW", Open.TRUNCATE)
    after = await guest.open(LAYER, "book", rights=wasi.READ_RIGHTS)
    folder = await guest.open(LAYER, "sub", create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    await write(guest, "sub/made", "made")
    records = [f"f{number} {number}" for number in (before, after, folder)]
    child = await pods.spawn_puppet(guest, *records)
    assert await child.read(before) == b"once upon a time"
    assert await child.read(after) == b"NEW"
    assert sorted(one.name for one in await child.readdir(folder)) == [
        *(".", "..", "deep", "made", "page"),
    ]


async def test_another_pod_of_the_image_sees_nothing_of_it(
    guest: Puppet, pods: Lab, roots: Roots, layer: Path
) -> None:
    other = await pods.puppet(name="web-2", mounts=mounts(layer), roots=roots)
    await write(guest, "book", "NEW", Open.TRUNCATE)
    assert await change(guest, "path_unlink_file", "sub/page") is Errno.SUCCESS
    assert await text_of(other, LAYER, "book") == "once upon a time"
    assert await listed(other, LAYER, "sub") == ["deep", "page"]


async def test_what_is_removed_is_gone_and_can_be_made_again(guest: Puppet, layer: Path) -> None:
    assert await change(guest, "path_remove_directory", "sub") is Errno.NOTEMPTY
    assert await change(guest, "path_unlink_file", "sub") is Errno.ISDIR
    for path in ("sub/page", "sub/deep/line"):
        assert await change(guest, "path_unlink_file", path) is Errno.SUCCESS
        assert await change(guest, "path_unlink_file", path) is Errno.NOENT
    assert await listed(guest, ROOT, f"{IN_ROOT}/sub") == ["deep"]
    assert await change(guest, "path_remove_directory", "sub/deep") is Errno.SUCCESS
    assert await change(guest, "path_remove_directory", "sub") is Errno.SUCCESS
    assert await listed(guest, LAYER, ".") == ["big", "book"]
    assert await change(guest, "path_create_directory", "sub") is Errno.SUCCESS
    assert await listed(guest, LAYER, "sub") == []
    assert await rename(guest, "sub", "moved") is Errno.SUCCESS
    assert (layer / "sub" / "deep" / "line").read_text() == "a line"


async def test_a_layer_may_go_as_a_whole_and_does_not_come_back(
    guest: Puppet, pods: Lab, roots: Roots, layer: Path
) -> None:
    for path in ("sub/page", "sub/deep/line", "book", "big"):
        assert await change(guest, "path_unlink_file", path) is Errno.SUCCESS
    for path in ("sub/deep", "sub"):
        assert await change(guest, "path_remove_directory", path) is Errno.SUCCESS
    for path in (IN_ROOT, "usr/lib", "usr"):
        assert await change(guest, "path_remove_directory", path, ROOT) is Errno.SUCCESS
    assert book_of(guest).hidden() == (TARGET,)
    again = await started_again(guest, pods, roots)
    assert await again.try_open(ROOT, "usr", rights=wasi.READ_RIGHTS) is Errno.NOENT
    for path in ("usr", "usr/lib", IN_ROOT):
        assert await change(again, "path_create_directory", path, ROOT) is Errno.SUCCESS
    assert await listed(again, ROOT, IN_ROOT) == []


async def test_a_pod_that_is_started_again_finds_its_union_as_it_left_it(
    guest: Puppet, pods: Lab, roots: Roots, layer: Path
) -> None:
    await write(guest, "book", "NEW", Open.TRUNCATE)
    await write(guest, "sub/deep/made", "made")
    assert await change(guest, "path_unlink_file", "sub/page") is Errno.SUCCESS
    again = await started_again(guest, pods, roots)
    assert await text_of(again, LAYER, "book") == "NEW"
    assert await listed(again, LAYER, "sub") == ["deep"]
    assert await listed(again, LAYER, "sub/deep") == ["line", "made"]


async def test_files_are_renamed_and_linked_anywhere_in_the_root(guest: Puppet) -> None:
    assert await rename(guest, "book", "sub/novel") is Errno.SUCCESS
    assert await rename(guest, "sub/page", "tmp/page", ROOT) is Errno.SUCCESS
    assert await text_of(guest, LAYER, "sub/novel") == "once upon a time"
    assert await text_of(guest, ROOT, "tmp/page") == "a page"
    assert await listed(guest, LAYER, ".") == ["big", "sub"]
    assert await listed(guest, LAYER, "sub") == ["deep", "novel"]
    link = (*guest.path("sub/deep/line"), ROOT, *guest.second_path("tmp/line"))
    await guest.checked("path_link", LAYER, 0, *link)
    assert (await guest.stat(ROOT, "tmp/line")).links == 2
    assert (await guest.stat(LAYER, "sub/deep/line")).links == 2


async def test_links_over_layers_lead_to_what_is_seen(guest: Puppet) -> None:
    for target, path in (("sub", "short"), (f"{TARGET}/book", "far")):
        texts = (*guest.path(target), LAYER, *guest.second_path(path))
        await guest.checked("path_symlink", *texts)
    await write(guest, "sub/page", "NEW", Open.TRUNCATE)
    assert await text_of(guest, LAYER, "short/page") == "NEW"
    assert await text_of(guest, LAYER, "short/deep/line") == "a line"
    assert await text_of(guest, LAYER, "far") == "once upon a time"
    assert await guest.readlink(LAYER, "far") == f"{TARGET}/book"
    assert (await guest.stat(LAYER, "short", follow=False)).filetype is FileType.SYMBOLIC_LINK


async def test_an_open_folder_goes_on_to_mean_the_same_place(guest: Puppet) -> None:
    rights = wasi.READ_RIGHTS
    before = await guest.open(LAYER, "./sub/../sub", create=Open.DIRECTORY, rights=rights)
    await write(guest, "sub/made", "made")
    assert await change(guest, "path_unlink_file", "page", before) is Errno.SUCCESS
    assert sorted(one.name for one in await guest.readdir(before)) == [".", "..", "deep", "made"]
    assert await guest.try_open(before, "page", rights=rights) is Errno.NOENT
    await guest.close(await guest.open(before, "deep/line"))
    await change(guest, "path_create_directory", "own")
    own = await guest.open(LAYER, "own", create=Open.DIRECTORY, rights=rights)
    assert await rename(guest, "own", "renamed") is Errno.SUCCESS
    await guest.close(await guest.open(own, "file", create=Open.CREATE))
    assert await listed(guest, LAYER, "renamed") == ["file"]


async def test_a_listing_goes_on_where_it_was_whatever_changes(guest: Puppet) -> None:
    for number in range(40):
        await write(guest, f"sub/file-{number:02}", "x")
    fd = await guest.open(LAYER, "sub", create=Open.DIRECTORY, rights=wasi.READ_RIGHTS)
    first = await guest.readdir(fd, size=200)
    for number in range(20):
        await change(guest, "path_unlink_file", f"sub/file-{number:02}")
    names, cookie = [entry.name for entry in first], first[-1].following
    while entries := await guest.readdir(fd, cookie, size=200):
        names += [entry.name for entry in entries]
        cookie = entries[-1].following
    expected = [".", "..", "deep", *(f"file-{number:02}" for number in range(40)), "page"]
    assert sorted(names) == expected
    again = await guest.readdir(fd, first[0].following, size=200)
    assert [one.name for one in again[: len(first) - 1]] == [one.name for one in first[1:]]
    assert len(await guest.readdir(fd)) == len(expected) - 20


async def test_any_name_can_be_given_to_a_file(guest: Puppet) -> None:
    await change(guest, "path_unlink_file", "book")
    for name in (".wh.book", ".wh..wh..opq"):
        await write(guest, name, "mine")
        assert await text_of(guest, LAYER, name) == "mine"
    assert await listed(guest, LAYER, ".") == [".wh..wh..opq", ".wh.book", "big", "sub"]


async def test_only_the_root_counts(guest: Puppet) -> None:
    before = used_blocks(guest)
    await guest.close(await guest.open(LAYER, "big"))
    assert used_blocks(guest) - before == blocks_of(BIG)
    await guest.close(await guest.open(LAYER, "sub/deep/line"))
    assert used_blocks(guest) - before == blocks_of(BIG) + 3
    assert await change(guest, "path_unlink_file", "big") is Errno.SUCCESS
    assert used_blocks(guest) - before == 3
    await write(guest, "book", "", Open.TRUNCATE)
    assert used_blocks(guest) - before == 4


async def test_a_copy_that_does_not_fit_leaves_everything_as_it_was(
    pods: Lab, roots: Roots, layer: Path
) -> None:
    limits = Limits(disk_bytes=blocks_of(BIG) * BLOCK_BYTES)
    guest = await pods.puppet(name="web-1", mounts=mounts(layer), roots=roots, limits=limits)
    before = used_blocks(guest)
    assert await guest.try_open(LAYER, "big") is Errno.DQUOT
    assert used_blocks(guest) == before
    assert (await guest.stat(LAYER, "big")).size == BIG
    fd = await guest.open(LAYER, "big", create=Open.TRUNCATE)
    assert (await guest.filestat(fd)).size == 0


async def test_volumes_and_tmpfs_are_mounted_over_layers(
    pods: Lab, roots: Roots, layer: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "note").write_text("a note")
    (layer / "mem").mkdir()
    guest = await pods.puppet(
        name="web-1",
        mounts=(*mounts(layer), Mount(source=volume, target=f"{TARGET}/sub/data")),
        tmpfs=(Tmpfs(target=f"{TARGET}/mem"),),
        roots=roots,
    )
    root = guest.root
    assert await text_of(guest, LAYER, "sub/data/note") == "a note"
    assert await listed(guest, LAYER, "sub") == ["data", "deep", "page"]
    await guest.close(await guest.open(LAYER, "mem/file", create=Open.CREATE))
    assert await listed(guest, root, f"{IN_ROOT}/mem") == ["file"]
    assert await change(guest, "path_remove_directory", "sub/data") is Errno.BUSY
    assert await rename(guest, "book", "sub/data/book") is Errno.XDEV
    assert not (tmp_path / "state/roots/web-1" / IN_ROOT / "mem").exists()


async def test_files_are_copied_out_of_the_union(guest: Puppet, roots: Roots, layer: Path) -> None:
    await write(guest, "book", "NEW", Open.TRUNCATE)
    await write(guest, "sub/made", "made")
    assert await change(guest, "path_unlink_file", "sub/page") is Errno.SUCCESS
    found = names_in(tree_of(guest, roots, layer), f"{TARGET}/.")
    found.pop("./big")
    assert found == {
        ".": b"",
        "./book": b"NEW",
        "./sub": b"",
        "./sub/deep": b"",
        "./sub/deep/line": b"a line",
        "./sub/made": b"made",
    }


async def test_files_are_copied_into_the_root_alone(
    guest: Puppet, roots: Roots, layer: Path, upper: Path
) -> None:
    before = used_blocks(guest)
    tree, book = tree_of(guest, roots, layer), book_of(guest)
    files = {"book": b"copied", "sub/deep/made": b"made", "fresh/file": b"fresh"}
    with pytest.raises(CopyError, match="fresh"):
        write_archive(tree, book, archive_of(files), TARGET, strip=False)
    assert await text_of(guest, LAYER, "book") == "copied"
    assert await text_of(guest, LAYER, "sub/deep/made") == "made"
    assert (layer / "book").read_text() == "once upon a time"
    assert names_below(upper) == ["book", "deep", "made", "sub"]
    assert used_blocks(guest) - before == 4
    with pytest.raises(CopyError, match="sub"):
        write_archive(tree, book, archive_of({"sub": b"no folder"}), TARGET, strip=False)


async def test_what_the_node_removes_is_hidden(guest: Puppet, roots: Roots, layer: Path) -> None:
    await write(guest, "sub/made", "made")
    before = used_blocks(guest)
    tree, book = tree_of(guest, roots, layer), book_of(guest)
    remove(tree, book, f"{TARGET}/sub")
    remove(tree, book, f"{TARGET}/book")
    assert await listed(guest, LAYER, ".") == ["big"]
    assert used_blocks(guest) - before == -2
    assert set(book.hidden()) == {f"{TARGET}/sub", f"{TARGET}/book"}
    assert (layer / "sub" / "page").exists()
    kept = roots.book("web-1")
    await guest.kill()
    assert set(kept.hidden()) == {f"{TARGET}/sub", f"{TARGET}/book"}


async def test_who_is_killed_while_a_big_file_is_copied_leaves_no_half_of_it(
    pods: Lab, roots: Roots, layer: Path, upper: Path
) -> None:
    with (layer / "huge").open("wb") as file:
        file.truncate(1 << 40)  # takes no room here, and longer to copy than anybody waits
    limits = Limits(disk_bytes=2 << 40)
    guest = await pods.puppet(name="web-1", mounts=mounts(layer), roots=roots, limits=limits)
    before = used_blocks(guest)
    guest.start("path_open", LAYER, 0, *guest.path("huge"), 0, wasi.ALL_RIGHTS, 0, 0, 4096)
    await eventually((upper / "huge").exists)
    await guest.kill()
    assert not (upper / "huge").exists()
    again = await pods.puppet(
        name="web-1",
        mounts=mounts(layer),
        roots=roots,
        limits=limits,
        interfaces=guest.guest.pod.spec.interfaces if guest.guest.pod else (),
    )
    assert used_blocks(again) == before
    assert (await again.stat(LAYER, "huge")).size == 1 << 40


async def test_processes_of_a_pod_change_the_same_files_at_once(
    guest: Puppet, pods: Lab, layer: Path, upper: Path
) -> None:
    """Every answer is one that some order gives, and nothing is left over."""
    others = [await pods.spawn_puppet(guest) for _ in range(3)]
    everybody = [guest, *others]

    async def work(one: Puppet, number: int) -> None:
        for turn in range(12):
            for path in ("book", "sub/page", "sub/deep/line"):
                mine = f"sub/mine-{number}"
                answer = await one.try_open(LAYER, path, create=Open.CREATE)
                assert answer in (Errno.SUCCESS, Errno.NOENT)
                if answer is Errno.SUCCESS:
                    await one.close(await one.opened())
                for call, name in (("rename", path), ("path_unlink_file", mine)):
                    paths = (*one.path(name), LAYER, *one.second_path(mine))
                    done = (
                        await one.call("path_rename", LAYER, *paths)
                        if call == "rename"
                        else await one.call(call, LAYER, *one.path(mine))
                    )
                    assert done in (Errno.SUCCESS, Errno.NOENT), (turn, call)

    await asyncio.gather(*(work(one, number) for number, one in enumerate(everybody)))
    for path in ("book", "sub/page", "sub/deep/line"):
        await change(guest, "path_unlink_file", path)
    assert await listed(guest, LAYER, "sub") == ["deep"]
    assert await listed(guest, LAYER, "sub/deep") == []
    assert used_blocks(guest) == blocks_below(upper.parents[2])
    assert (layer / "sub" / "page").read_text() == "a page"


async def test_the_stack_never_overflows_while_a_file_is_copied(
    pods: Lab, roots: Roots, layer: Path, upper: Path
) -> None:
    """A guest that calls from the bottom of its stack is ended before anything has happened."""
    (layer / "short").symlink_to("sub/deep")
    linked = tuple(replace(mount, links=True) for mount in mounts(layer))
    number = [function.name for function in pod_imports()].index("path_rename")

    async def survives(depth: int) -> bool:
        guest = await pods.puppet(name="web-1", mounts=linked, roots=roots)
        paths = (*guest.path("short/line"), LAYER, *guest.second_path("sub/moved"))
        at = guest.poke(SCRATCH, record(Op.CALL, number, LAYER, *paths))
        guest.tell(Op.CALL_AT_DEPTH, at, depth)
        try:
            await guest.answer()
        except asyncio.IncompleteReadError:
            assert "stack overflowed" in (await guest.end()).reason
            assert names_below(upper) == []
            return False
        await guest.kill()
        assert names_below(upper) == ["deep", "moved", "sub"]
        return True

    shallow, deep = 0, 1 << 17
    while deep - shallow > 1:
        middle = (shallow + deep) // 2
        shallow, deep = (middle, deep) if await survives(middle) else (shallow, middle)
    for depth in range(shallow - 2, shallow + 40):
        await survives(depth)
