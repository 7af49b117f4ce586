"""What a pod sees, as the host's side can go through it: root, layers and mounts as one tree.

Owns the way from a path in the pod to a name in a directory of the host, link by link, by the rules
of the pod's kernel (`lookup.h`, and `overlay.h` for layers): links lead to places in the pod and
nowhere else. Directories are opened name by name without following links, so nothing that a pod
does meanwhile leads out either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pod_node.files import beneath
from pod_node.files.layers import Names, is_hidden, lower_layers, names_of, path_of

if TYPE_CHECKING:
    from pod_node.files.values import PodFolders
    from pod_node.spec import Mount

LINK_MARK = ".pod-root"
"""Before the text of an absolute link that a pod made: `lookup.h`."""
_LINKS_MOST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMount:
    """A folder of the host in a pod's tree."""

    target: Names
    folder: Path
    entry: str = ""
    """The only file of the folder that is seen, for a mount of a file."""
    read_only: bool = False
    disk: str = ""
    """For a pod's own: under which target its kernel counts it."""

    def reaches(self, names: Names) -> bool:
        """Whether a path is its target or below it."""
        return names[: len(self.target)] == self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a path leads: a name, which need not exist, in a mount."""

    mount: TreeMount
    names: Names
    """From the pod's root on, with no links in them."""

    @property
    def below(self) -> Names:
        """The names below the mount's folder."""
        entry = (self.mount.entry,) if self.mount.entry else ()
        return entry + self.names[len(self.mount.target) :]

    @property
    def path(self) -> str:
        """The place as the pod writes it."""
        return path_of(self.names) or "/"

    @contextmanager
    def parent(self) -> Iterator[tuple[int, str]]:
        """Open the directory around it: a descriptor, and the name there (`.` for the mount)."""
        below = self.below
        with (
            beneath.opened(self.mount.folder) as root,
            beneath.directory(root, below[:-1]) as descriptor,
        ):
            yield descriptor, below[-1] if below else "."

    def stat(self) -> os.stat_result:
        """Look at it, and not at what a link leads to."""
        with self.parent() as (descriptor, name):
            return os.stat(name, dir_fd=descriptor, follow_symlinks=False)

    def readlink(self) -> str:
        """Read a link as the pod that made it sees it."""
        with self.parent() as (descriptor, name):
            text = os.readlink(name, dir_fd=descriptor)
        marked = self.mount.disk and text.startswith(f"{LINK_MARK}/")
        return text.removeprefix(LINK_MARK) if marked else text


class PodTree:
    """The tree of one pod, or of a folder that stands for one."""

    def __init__(
        self,
        mounts: Sequence[TreeMount],
        layers: Sequence[TreeMount] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """Take mounts together.

        Args:
            mounts: All of them but layers.
            layers: What is below the root.
            hidden: Which paths of layers are not seen.
        """
        self._mounts = {mount.target: mount for mount in mounts}
        self._root = self._mounts.get((), mounts[0])
        self._layers = layers
        self._hidden = frozenset(hidden)

    @classmethod
    def of_pod(
        cls,
        mounts: Sequence[Mount],
        folders: PodFolders,
        hidden: Collection[str] = (),
        *,
        running: bool,
    ) -> PodTree:
        """Build the tree of a pod; one that has ended has no tmpfs."""
        rows = [
            TreeMount(target=names_of(disk.target), folder=disk.folder, disk=disk.target)
            for disk in (folders.disks if running else folders.disks[:1])
        ]
        layers = lower_layers(mounts, (disk.target for disk in folders.disks[1:]))
        rows += [_row(mount) for mount in mounts if mount not in layers]
        return cls(rows, [_row(mount) for mount in layers], hidden)

    @classmethod
    def of_folder(cls, folder: Path) -> PodTree:
        """Take a folder for a whole tree."""
        return cls([TreeMount(target=(), folder=folder)])

    def resolve(self, path: str, *, follow: bool = True) -> Place:
        """Find where a path leads; what it names need not exist, the folder around it must.

        Raises:
            OSError: as the pod would see it.
        """
        place: Names = ()
        names = [name for name in path.split("/")[::-1] if name not in ("", ".")]
        links = 0
        while names:
            name = names.pop()
            if name == "..":
                place = place[:-1]
                continue
            here = self._place((*place, name))
            if self._leads_to_mount(here.names):
                place = here.names
                continue
            try:
                found = here.stat().st_mode
            except FileNotFoundError:
                if names:
                    raise
                return here
            if stat.S_ISLNK(found) and (names or follow):
                links += 1
                if links > _LINKS_MOST:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                text = here.readlink()
                place = () if text.startswith("/") else place
                names += [part for part in text.split("/")[::-1] if part not in ("", ".")]
            elif names and not stat.S_ISDIR(found):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), here.path)
            else:
                place = here.names
        return self._place(place)

    def list(self, place: Place) -> list[Place]:
        """Find what is in a directory, in the order of names."""
        names = set(_listed(place)) if place.mount not in self._layers else set()
        for layer in self._below(place):
            below = Place(mount=layer, names=place.names)
            if _is_folder(below):
                names |= {
                    name
                    for name in _listed(below)
                    if not is_hidden((*place.names, name), self._hidden)
                }
        return [self._place((*place.names, name)) for name in sorted(names)]

    def list_own(self, place: Place) -> Sequence[Place]:
        """As `list`, without what only layers have."""
        own = self.own(place)
        return [self._place((*own.names, name)) for name in sorted(_listed(own))]

    def own(self, place: Place) -> Place:
        """The same path where it can be written to: in the root, when layers have a part in it."""
        in_union = place.mount in self._layers
        return Place(mount=self._root, names=place.names) if in_union else place

    def is_layered(self, place: Place) -> bool:
        """Whether layers show something at a path, be it seen or covered by the root."""
        return any(_exists(Place(mount=layer, names=place.names)) for layer in self._below(place))

    def in_union(self, place: Place) -> bool:
        """Whether layers may show something at a path."""
        return bool(self._below(place))

    def missing_around(self, place: Place) -> Sequence[Place]:
        """Which directories around a path the root lacks, from the outermost on."""
        around = [
            Place(mount=self._root, names=place.names[:length])
            for length in range(len(self._root.target) + 1, len(place.names))
        ]
        return [one for one in around if not _exists(one)]

    def _below(self, place: Place) -> Sequence[TreeMount]:
        """The layers that may show something there."""
        if place.mount is not self._root and place.mount not in self._layers:
            return []
        if is_hidden(place.names, self._hidden):
            return []
        return [layer for layer in self._layers if layer.reaches(place.names)]

    def _place(self, names: Names) -> Place:
        for length in range(len(names), -1, -1):
            mount = self._mounts.get(names[:length])
            if mount is not None:
                return self._seen(Place(mount=mount, names=names))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path_of(names))

    def _seen(self, place: Place) -> Place:
        """Choose between the root and what is below it."""
        layers = self._below(place)
        if not layers or _exists(place):
            return place
        lower = (Place(mount=layer, names=place.names) for layer in layers)
        return next((below for below in lower if _exists(below)), place)

    def _leads_to_mount(self, names: Names) -> bool:
        mount = self._mounts.get(names)
        if mount is not None and mount.entry:
            return False
        return any(target[: len(names)] == names for target in self._mounts)


def _row(mount: Mount) -> TreeMount:
    source, entry = mount.source, ""
    if not source.is_dir():
        source, entry = source.resolve().parent, source.resolve().name
    return TreeMount(
        target=names_of(mount.target), folder=source, entry=entry, read_only=mount.read_only
    )


def _listed(place: Place) -> list[str]:
    with place.parent() as (parent, name), beneath.directory(parent, (name,)) as descriptor:
        return os.listdir(descriptor)


def _exists(place: Place) -> bool:
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_folder(place: Place) -> bool:
    try:
        return stat.S_ISDIR(place.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
