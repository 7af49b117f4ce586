"""Files of a tree as a tar stream, and a tar stream as files of a tree.

Owns the order and form of entries (POSIX.1-2001), and what may be in a stream that comes in: files,
folders and links of either kind, below one place. Names with `..` are refused; links are put there
as they are and followed within the tree only. Blocks: run it in a worker thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tarfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from pod_node.files.errors import CopyError
from pod_node.files.tree import LINK_MARK, Place
from pod_node.files.values import blocks_of

if TYPE_CHECKING:
    from pod_node.files.tree import PodTree

CHUNK_BYTES = 256 * 1024
_END = b"\0" * (2 * tarfile.BLOCKSIZE)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Book(Protocol):
    """Where what is put into a pod is counted, and what its root hides of layers."""

    def take(self, target: str, blocks: int) -> None:
        """Count what is about to be put there."""

    def give(self, target: str, blocks: int) -> None:
        """Count no longer what was taken away."""

    def linked(self, target: str) -> None:
        """Have symbolic links looked for there."""

    def hide(self, path: str) -> None:
        """Have layers show nothing more at a path."""

    def change(self, path: str) -> None:
        """Tell that something is about to be put over a layer."""


@dataclass(slots=True)
class Copied:
    """What has been put there so far."""

    files: int = 0
    bytes: int = 0


def read_archive(tree: PodTree, path: str, *, follow: bool) -> Generator[bytes, None, None]:
    """Give what a path names, with everything below it, as pieces of a tar stream.

    Its own entry is called like its last name, or `.` when the path ends with `/.`.

    Raises:
        CopyError: there is nothing, or nothing that can be read.
    """
    try:
        place = tree.resolve(path, follow=follow or path.endswith(("/", "/.")))
        place.stat()
    except OSError as error:
        raise CopyError(path, error.strerror or str(error)) from error
    contents = path == "." or path.endswith("/.") or not place.names
    yield from _entry(tree, place, "." if contents else place.names[-1])
    yield _END


def _entry(tree: PodTree, place: Place, name: str) -> Iterator[bytes]:
    try:
        found = place.stat()
        info = _info(place, name, found)
        if info is None:
            return
        if info.isreg():
            yield from _file(place, info)
            return
        yield info.tobuf(tarfile.PAX_FORMAT)
        children = tree.list(place) if info.isdir() else []
    except FileNotFoundError:
        return  # it went meanwhile
    except OSError as error:
        raise CopyError(place.path, error.strerror or str(error)) from error
    for child in children:
        yield from _entry(tree, child, f"{name}/{child.names[-1]}")


def _info(place: Place, name: str, found: os.stat_result) -> tarfile.TarInfo | None:
    """Describe an entry; sockets, FIFOs and devices are none."""
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, place.readlink()
    elif not stat.S_ISREG(found.st_mode):
        return None
    return info


def _file(place: Place, info: tarfile.TarInfo) -> Iterator[bytes]:
    """Give a file at the size that it has now, whatever becomes of it meanwhile."""
    with place.parent() as (parent, name):
        descriptor = os.open(name, _READ, dir_fd=parent)
    with open(descriptor, "rb", buffering=0) as file:
        info.size = left = os.fstat(descriptor).st_size
        yield info.tobuf(tarfile.PAX_FORMAT)
        while left:
            chunk = file.read(min(CHUNK_BYTES, left)) or b"\0" * min(CHUNK_BYTES, left)
            left -= len(chunk)
            yield chunk
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE)


def write_archive(
    tree: PodTree, book: Book, stream: IO[bytes], path: str, *, strip: bool
) -> Copied:
    """Put what a tar stream has into a tree.

    Args:
        tree: Where to.
        book: Counts what a pod's own folders take.
        stream: The tar stream.
        path: With `strip`, what the stream's first entry shall be called, or the folder that it
            shall be put into; without, the folder for all entries.
        strip: Whether all entries are below the first one.

    Raises:
        CopyError: it is no tar stream, or something in it cannot be put there.
    """
    writer = _Writer(tree, book)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            target: str | None = None if strip else _folder(tree, path)
            for member in archive:
                name = _checked(member.name)
                if target is None:
                    target = _target(tree, path, name, is_folder=member.isdir())
                    first = name
                if strip:
                    if name != first and not name.startswith(f"{first}/") and first != ".":
                        raise CopyError(member.name, "it is not below the first entry")
                    name = name.removeprefix(first).lstrip("/") if first != "." else name
                writer.put(archive, member, f"{target}/{name}" if name not in ("", ".") else target)
    except tarfile.TarError as error:
        raise CopyError(path, f"this is no tar stream ({error})") from error
    return writer.copied


def _folder(tree: PodTree, path: str) -> str:
    try:
        place = tree.resolve(path)
        if stat.S_ISDIR(place.stat().st_mode):
            return place.path
    except OSError as error:
        raise CopyError(path, error.strerror or str(error)) from error
    raise CopyError(path, "it is no folder")


def _target(tree: PodTree, path: str, name: str, *, is_folder: bool) -> str:
    """Say what the first entry is to be called, by the rules of `docker cp`."""
    try:
        place = tree.resolve(path)
        found = place.stat().st_mode
    except FileNotFoundError as error:
        if path.endswith("/") and not is_folder:
            raise CopyError(path, "there is no such folder") from error
        return path.rstrip("/")
    except OSError as error:
        raise CopyError(path, error.strerror or str(error)) from error
    if stat.S_ISDIR(found):
        return place.path if name == "." else f"{place.path}/{name.rsplit('/', 1)[-1]}"
    if is_folder:
        raise CopyError(path, "a folder cannot be put where a file is")
    return place.path


def _checked(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise CopyError(name, "the name of an entry leads out of the archive")
    return "/".join(parts) or "."


class _Writer:
    """Puts entries into a tree."""

    def __init__(self, tree: PodTree, book: Book) -> None:
        self._tree = tree
        self._book = book
        self.copied = Copied()

    def put(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        """Put one entry where `path` leads."""
        try:
            seen = self._tree.resolve(path, follow=member.isdir())
            place = self._tree.own(seen)
            self.refuse_read_only(place)
            if place is not seen and _covers(seen, member):
                return
            self._raise_around(place)
            if member.isdir():
                self._directory(place, member)
            elif member.isreg():
                self._file(place, archive, member)
            elif member.issym():
                self._symlink(place, member)
            else:
                raise CopyError(path, "only files, folders and symbolic links can be copied")
        except OSError as error:
            raise CopyError(path, error.strerror or str(error)) from error

    def _raise_around(self, place: Place) -> None:
        """Have the directories around a path in the root that only layers have."""
        if not self._tree.in_union(place):
            return
        self._book.change(place.path)
        for around in self._tree.missing_around(place):
            self._take(around, 1)
            with around.parent() as (parent, name):
                os.mkdir(name, 0o755, dir_fd=parent)

    def hide(self, place: Place) -> None:
        """Have layers show nothing more at a path that is removed."""
        if self._tree.is_layered(place):
            self._raise_around(place)
            self._book.hide(place.path)

    @staticmethod
    def refuse_read_only(place: Place) -> None:
        """Fail as the pod would."""
        if place.mount.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def _take(self, place: Place, blocks: int) -> None:
        if place.mount.disk:
            self._book.take(place.mount.disk, blocks)

    def give(self, place: Place, blocks: int) -> None:
        """Count no longer what is gone."""
        if place.mount.disk and blocks:
            self._book.give(place.mount.disk, blocks)

    def _directory(self, place: Place, member: tarfile.TarInfo) -> None:
        with place.parent() as (parent, name):
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                    return
            self._take(place, 1)
            try:
                os.mkdir(name, (member.mode & 0o777) | 0o700, dir_fd=parent)
            except OSError:
                self.give(place, 1)
                raise

    def _file(self, place: Place, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        source = archive.extractfile(member)
        assert source is not None, "it is a regular file"
        blocks = blocks_of(member.size)
        self._take(place, blocks)
        with place.parent() as (parent, name):
            if place.mount.entry:
                self._overwrite(parent, name, source)
                return
            draft = f".{secrets.token_hex(8)}.podnet"
            try:
                self._fill(os.open(draft, _NEW, 0o600, dir_fd=parent), source, member)
                replaced = _blocks_at(parent, name)
                os.replace(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=parent)
                self.give(place, blocks)
                raise
        self.give(place, replaced)
        self.copied.files += 1

    def _fill(self, descriptor: int, source: IO[bytes], member: tarfile.TarInfo) -> None:
        with open(descriptor, "wb", buffering=0) as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                self.copied.bytes += len(chunk)
            os.fchmod(descriptor, (member.mode & 0o777) | 0o600)
            os.utime(descriptor, (member.mtime, member.mtime))

    def _overwrite(self, parent: int, name: str, source: IO[bytes]) -> None:
        """Write a mounted file of the host in place: another under its name would not be it."""
        flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, dir_fd=parent), "wb", buffering=0) as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                self.copied.bytes += len(chunk)
        self.copied.files += 1

    def _symlink(self, place: Place, member: tarfile.TarInfo) -> None:
        text = member.linkname
        if place.mount.disk:
            self._book.linked(place.mount.disk)
            if text.startswith("/"):
                text = LINK_MARK + text
        self._take(place, 1)
        with place.parent() as (parent, name):
            draft = f".{secrets.token_hex(8)}.podnet"
            try:
                os.symlink(text, draft, dir_fd=parent)
                replaced = _blocks_at(parent, name)
                os.replace(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=parent)
                self.give(place, 1)
                raise
        self.give(place, replaced)
        self.copied.files += 1


def _covers(seen: Place, member: tarfile.TarInfo) -> bool:
    """Whether a folder of a layer is all that is asked for; fail where one kind is for another."""
    is_folder = stat.S_ISDIR(seen.stat().st_mode)
    if is_folder and not member.isdir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if member.isdir() and not is_folder:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return is_folder


def _blocks_at(parent: int, name: str) -> int:
    """Count what goes when something takes this name."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    if found.st_nlink > 1:
        return 0
    return blocks_of(found.st_size) if stat.S_ISREG(found.st_mode) else 1


def remove(tree: PodTree, book: Book, path: str) -> None:
    """Remove a file, or a folder with all that is in it; what is not there is gone already.

    Raises:
        CopyError: it cannot be removed.
    """
    writer = _Writer(tree, book)
    try:
        place = tree.resolve(path, follow=False)
        writer.refuse_read_only(tree.own(place))
        _remove(tree, writer, place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CopyError(path, error.strerror or str(error)) from error


def _remove(tree: PodTree, writer: _Writer, place: Place) -> None:
    """Remove what the root has of it, and hide what layers have."""
    own = tree.own(place)
    if own is place:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
        for child in tree.list_own(place) if is_folder else ():
            _remove(tree, writer, child)
        with place.parent() as (parent, name):
            blocks = 1 if is_folder else _blocks_at(parent, name)
            (os.rmdir if is_folder else os.unlink)(name, dir_fd=parent)
        writer.give(place, blocks)
    writer.hide(own)
