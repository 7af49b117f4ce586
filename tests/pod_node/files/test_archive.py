"""Tar streams into and out of trees: what is copied, and that nothing gets out of the tree."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod_node.files import CopyError, DiskFullError, PodTree
from pod_node.files.archive import Copied, read_archive, remove, write_archive
from pod_node.files.tree import TreeMount
from pod_node.files.values import blocks_of


class CountingBook:
    """Counts blocks, up to a limit."""

    def __init__(self, limit: int = 10_000) -> None:
        self.used = 0
        self.limit = limit
        self.has_links = False
        self.hidden: list[str] = []
        self.changed: list[str] = []

    def take(self, target: str, blocks: int) -> None:
        if self.used + blocks > self.limit:
            raise DiskFullError(target, of_pod=True)
        self.used += blocks

    def give(self, target: str, blocks: int) -> None:
        self.used -= blocks

    def linked(self, target: str) -> None:
        self.has_links = True

    def hide(self, path: str) -> None:
        self.hidden.append(path)

    def change(self, path: str) -> None:
        self.changed.append(path)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the host that no tree has."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "tmp").mkdir(parents=True)
    (folder / "srv" / "data").mkdir(parents=True)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "note").write_text("a note")
    return folder


@pytest.fixture
def tree(root: Path, data: Path, tmp_path: Path) -> PodTree:
    """A pod's tree: its root, a volume, a read-only folder, and a file."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "book").write_text("once")
    (tmp_path / "config").write_text("x=1")
    return PodTree(
        [
            TreeMount(target=(), folder=root, disk="/"),
            TreeMount(target=("srv", "data"), folder=data),
            TreeMount(target=("usr", "layer"), folder=tmp_path / "layer", read_only=True),
            TreeMount(target=("etc", "config"), folder=tmp_path, entry="config"),
        ]
    )


def tar(*entries: tuple[str, bytes | str | None]) -> io.BytesIO:
    """Make a stream: bytes are a file, a text is a symbolic link, None is a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mtime = 1_000_000_000
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


def put(
    tree: PodTree,
    stream: io.BytesIO,
    path: str = "/",
    *,
    strip: bool = False,
    book: CountingBook | None = None,
) -> Copied:
    return write_archive(tree, book or CountingBook(), stream, path, strip=strip)


def got(tree: PodTree, path: str, *, follow: bool = False) -> dict[str, bytes | str | None]:
    stream = io.BytesIO(b"".join(read_archive(tree, path, follow=follow)))
    found: dict[str, bytes | str | None] = {}
    with tarfile.open(fileobj=stream) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            found[member.name] = file.read() if file else member.linkname or None
    return found


def test_a_folder_comes_with_all_that_is_mounted_below_it(tree: PodTree, root: Path) -> None:
    (root / "srv" / "file").write_bytes(b"x" * 1000)
    (root / "srv" / "link").symlink_to(".pod-root/etc/hosts")
    assert got(tree, "/srv") == {
        "srv": None,
        "srv/data": None,
        "srv/data/note": b"a note",
        "srv/file": b"x" * 1000,
        "srv/link": "/etc/hosts",
    }
    assert got(tree, "/srv/data/.") == {".": None, "./note": b"a note"}
    assert got(tree, "/etc/config") == {"config": b"x=1"}


def test_what_is_no_file_and_no_folder_is_left_out(tree: PodTree, data: Path) -> None:
    os.mkfifo(data / "pipe")
    assert set(got(tree, "/srv/data")) == {"data", "data/note"}


def test_a_link_is_copied_or_followed(tree: PodTree, root: Path, outside: Path) -> None:
    (root / "tmp" / "link").symlink_to("../srv/data/note")
    assert got(tree, "/tmp/link") == {"link": "../srv/data/note"}
    assert got(tree, "/tmp/link", follow=True) == {"note": b"a note"}
    (root / "tmp" / "host").symlink_to(outside / "secret")
    with pytest.raises(CopyError, match="No such file"):
        got(tree, "/tmp/host", follow=True)


@pytest.mark.parametrize("path", ["/missing", "/tmp/x/y", "/etc/config/x", "/srv/data/note/"])
def test_what_is_not_there_is_told_with_its_path(tree: PodTree, path: str) -> None:
    if path.endswith("note/"):
        assert got(tree, path) == {"note": b"a note"}
        return
    with pytest.raises(CopyError, match=path.split("/")[1]):
        got(tree, path)


@pytest.mark.parametrize(
    ("path", "lands"),
    [
        ("/tmp", "/tmp/a"),
        ("/tmp/", "/tmp/a"),
        ("/tmp/new", "/tmp/new"),
        ("/srv/data", "/srv/data/a"),
        ("/srv/data/note", "/srv/data/note"),
        ("/tmp/../srv/data/x", "/srv/data/x"),
    ],
)
def test_a_file_lands_as_docker_cp_puts_it(
    tree: PodTree, root: Path, data: Path, path: str, lands: str
) -> None:
    assert put(tree, tar(("a", b"text")), path, strip=True) == Copied(files=1, bytes=4)
    place = data / lands.removeprefix("/srv/data/") if "data" in lands else root / lands[1:]
    assert place.read_text() == "text"
    assert place.stat().st_mtime == 1_000_000_000


def test_a_folder_lands_as_docker_cp_puts_it(tree: PodTree, root: Path) -> None:
    entries = (("a", None), ("a/b", None), ("a/b/c", b"c"))
    put(tree, tar(*entries), "/tmp", strip=True)
    assert (root / "tmp/a/b/c").read_text() == "c"
    put(tree, tar(*entries), "/fresh", strip=True)
    assert (root / "fresh/b/c").read_text() == "c"
    put(tree, tar((".", None), ("./x", b"x")), "/tmp", strip=True)
    assert (root / "tmp/x").read_text() == "x"


@pytest.mark.parametrize(
    ("entries", "path", "reason"),
    [
        ([("a", b"")], "/nowhere/", "there is no such folder"),
        ([("a", b"")], "/nowhere/deep", "No such file"),
        ([("a", None)], "/srv/data/note", "a folder cannot be put where a file is"),
        ([("a", b"")], "/usr/layer", "Read-only file system"),
        ([("a", b"")], "/usr/layer/book", "Read-only file system"),
        ([("a", b""), ("b", b"")], "/tmp", "not below the first entry"),
        ([("a", b"")], "/srv/data/note/x", "Not a directory"),
    ],
)
def test_what_cannot_be_put_there_is_told(
    tree: PodTree, entries: list[tuple[str, bytes | None]], path: str, reason: str
) -> None:
    with pytest.raises(CopyError, match=reason):
        put(tree, tar(*entries), path, strip=True)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x", "a/.."])
def test_names_that_lead_out_are_refused(tree: PodTree, tmp_path: Path, name: str) -> None:
    with pytest.raises(CopyError, match="leads out"):
        put(tree, tar((name, b"x")), "/tmp")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("target", ["/", "../../../..", "{outside}", "../../outside"])
def test_links_in_a_stream_lead_no_later_entry_out(
    tree: PodTree, outside: Path, target: str
) -> None:
    link = target.format(outside=outside)
    stream = tar(("l", link), ("l/outside/secret", b"changed"), ("l/secret", b"changed"))
    book = CountingBook()
    with suppress(CopyError):
        put(tree, stream, "/tmp", book=book)
    assert (outside / "secret").read_text() == "secret"
    assert book.has_links


def test_a_link_that_the_pod_made_is_not_followed_by_the_last_name(
    tree: PodTree, root: Path, outside: Path
) -> None:
    (root / "tmp" / "a").symlink_to(outside / "secret")
    put(tree, tar(("a", b"new")), "/tmp")
    assert (root / "tmp" / "a").read_text() == "new"
    assert not (root / "tmp" / "a").is_symlink()
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_are_refused(tree: PodTree, kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("device")
        info.type = kind
        archive.addfile(info)
    stream.seek(0)
    with pytest.raises(CopyError, match="only files, folders and symbolic links"):
        put(tree, stream, "/tmp")


def test_what_is_no_tar_stream_is_told(tree: PodTree) -> None:
    with pytest.raises(CopyError, match="no tar stream"):
        put(tree, io.BytesIO(b"hello" * 1000), "/tmp")
    cut = tar(("a", b"x" * 5000)).getvalue()[:3000]
    with pytest.raises(CopyError, match="no tar stream"):
        put(tree, io.BytesIO(cut), "/tmp")


def test_what_is_put_there_is_counted_and_a_full_disk_takes_nothing(
    tree: PodTree, root: Path
) -> None:
    book = CountingBook(limit=10)
    put(tree, tar(("d", None), ("d/a", b"x" * 5000)), "/tmp", book=book)
    assert book.used == 1 + blocks_of(5000)
    put(tree, tar(("a", b"y")), "/tmp/d", book=book)
    assert book.used == 2
    with pytest.raises(DiskFullError):
        put(tree, tar(("b", b"x" * 50_000)), "/tmp", book=book)
    assert book.used == 2
    assert os.listdir(root / "tmp") == ["d"]
    put(tree, tar(("free", b"x" * 50_000)), "/srv/data", book=book)
    assert book.used == 2, "volumes have no limit"
    remove(tree, book, "/tmp/d")
    assert book.used == 0
    remove(tree, book, "/tmp/d")


def test_a_mounted_file_is_written_in_place(tree: PodTree, tmp_path: Path) -> None:
    before = (tmp_path / "config").stat().st_ino
    put(tree, tar(("config", b"x=2")), "/etc/config", strip=True)
    assert (tmp_path / "config").read_text() == "x=2"
    assert (tmp_path / "config").stat().st_ino == before


names = st.lists(
    st.sampled_from(["a", "b", "tmp", "srv", "data", "..", ".", "", "l"]), min_size=1, max_size=5
).map("/".join)
contents: st.SearchStrategy[bytes | str | None] = st.one_of(
    st.none(), st.binary(max_size=20), st.sampled_from(["/", "..", "../..", "../../outside", "a"])
)


@settings(max_examples=150, deadline=None)
@given(entries=st.lists(st.tuples(names, contents), max_size=8), strip=st.booleans())
def test_no_stream_changes_anything_outside(
    tmp_path_factory: pytest.TempPathFactory,
    entries: Iterable[tuple[str, bytes | str | None]],
    strip: bool,
) -> None:
    base = tmp_path_factory.mktemp("tar")
    for name in ("root/tmp", "outside", "data"):
        (base / name).mkdir(parents=True)
    (base / "outside" / "secret").write_text("secret")
    tree = PodTree(
        [
            TreeMount(target=(), folder=base / "root", disk="/"),
            TreeMount(target=("srv", "data"), folder=base / "data"),
        ]
    )
    with suppress(CopyError):
        put(tree, tar(*entries), "/tmp", strip=strip)
    assert sorted(os.listdir(base)) == ["data", "outside", "root"]
    assert os.listdir(base / "outside") == ["secret"]
    assert (base / "outside" / "secret").read_text() == "secret"
