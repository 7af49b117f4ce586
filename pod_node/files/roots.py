"""The folders that pods write to: a root for each, and its tmpfs, made at its boot.

Owns their places, `roots/POD` in the deployment's state folder and a folder in `/dev/shm` for what
is in memory, and what a fresh root has in it. A root is kept when a pod is started again as it was,
and is made anew when its specification has changed. What is no longer needed is put aside at once
and removed by worker threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pod_node.files import beneath
from pod_node.files.errors import DiskFullError, FolderError
from pod_node.files.layers import is_hidden, lower_layers, names_of
from pod_node.files.lock_folders import clear_lock_folders
from pod_node.files.values import BLOCK_BYTES, DiskFolder, DiskUsage, PodFolders, blocks_of
from pod_node.lock import VOLUMES
from vnet.addresses import gateway_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod_node.spec import Mount, PodSpec

MEMORY = Path("/dev/shm")
_ROOTS = "roots"
_ASIDE = ".removed-"
_FOLDERS = ("tmp", "etc", "root", "net", "proc", "dev")
"""What every fresh root has, beside the targets of mounts."""
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What is known of a pod's root while it does not run."""

    spec: PodSpec
    mounts: tuple[Mount, ...]
    used_bytes: int
    linked: bool
    hidden: tuple[str, ...] = ()


def memory_folder(state: Path, memory: Path = MEMORY) -> Path:
    """Say where a deployment's tmpfs are: a place that follows from its folder's."""
    key = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:16]
    return memory / f"podnet-{os.getuid()}-{key}"


def remove_roots(state: Path, memory: Path = MEMORY) -> None:
    """Remove what the pods of a deployment wrote, none of which runs, and locks that they held."""
    if (state / _ROOTS).exists():
        clear_lock_folders(state / VOLUMES)
    for folder in (state / _ROOTS, memory_folder(state, memory)):
        shutil.rmtree(folder, ignore_errors=True)


class KeptBook:
    """Counts what the node puts into the root of a pod that does not run."""

    def __init__(self, kept: dict[str, _Kept], name: str) -> None:
        self._kept = kept
        self._name = name

    def take(self, target: str, blocks: int) -> None:
        """Count what is about to be put there.

        Raises:
            DiskFullError: there is no room for it.
        """
        kept = self._kept[self._name]
        used = kept.used_bytes + blocks * BLOCK_BYTES
        if used > kept.spec.limits.disk_bytes:
            raise DiskFullError(target, of_pod=True)
        self._kept[self._name] = replace(kept, used_bytes=used)

    def give(self, target: str, blocks: int) -> None:
        """Count no longer what was taken away."""
        kept = self._kept[self._name]
        used = max(0, kept.used_bytes - blocks * BLOCK_BYTES)
        self._kept[self._name] = replace(kept, used_bytes=used)

    def linked(self, target: str) -> None:
        """Have the kernel look for symbolic links when the pod runs again."""
        self._kept[self._name] = replace(self._kept[self._name], linked=True)

    def hidden(self) -> tuple[str, ...]:
        """Which paths of layers are not seen."""
        return self._kept[self._name].hidden

    def hide(self, path: str) -> None:
        """Have layers show nothing more at a path."""
        kept = self._kept[self._name]
        if not is_hidden(names_of(path), kept.hidden):
            others = (one for one in kept.hidden if not one.startswith(f"{path}/"))
            self._kept[self._name] = replace(kept, hidden=(*others, path))

    def change(self, path: str) -> None:
        """Nothing to be told: whoever boots the pod again looks for it."""


class Roots:
    """All pods' own folders on one node."""

    def __init__(self, state: Path, memory: Path = MEMORY) -> None:
        """Use `state`/roots; nothing is made before the first pod.

        Args:
            state: The deployment's folder, whose node has one process at a time.
            memory: Where files are in memory.
        """
        self._folder = state / _ROOTS
        self._memory_root = memory
        self._memory = memory_folder(state, memory)
        self._kept: dict[str, _Kept] = {}
        self._numbers = count()
        self._discarded: list[Path] = []

    def open(self, spec: PodSpec, mounts: Sequence[Mount]) -> PodFolders:
        """Make a pod's folders, or find its root as it left it.

        Args:
            spec: What it is booted from.
            mounts: Its image's and its own.

        Raises:
            FolderError: the disk is full, or something is where a folder has to be.
        """
        kept = self._kept.get(spec.name)
        if kept is not None and (kept.spec, kept.mounts) != (spec, tuple(mounts)):
            self.discard(spec.name)
            kept = None
        path = self._folder / spec.name
        try:
            disks = [self._root(path, spec, mounts, kept)]
            disks += self._tmpfs(spec)
        except OSError as error:
            raise FolderError(str(path), error.strerror or str(error)) from error
        root = disks[0]
        hidden = kept.hidden if kept else ()
        self._kept[spec.name] = _Kept(
            spec=spec,
            mounts=tuple(mounts),
            used_bytes=root.used_bytes,
            linked=root.linked,
            hidden=hidden,
        )
        layers = _layers(spec, mounts)
        changed = frozenset(mount.target for mount in layers if _is_changed(path, mount))
        return PodFolders(disks=tuple(disks), changed=changed, hidden=hidden)

    def close(self, name: str, usages: Sequence[DiskUsage], hidden: Sequence[str] = ()) -> None:
        """A pod has ended: keep its root and what was counted, let go of what was in memory."""
        kept = self._kept[name]
        if usages:
            root, *others = usages
            used = root.used_bytes - sum(usage.used_bytes for usage in others)
            self._kept[name] = replace(
                kept, used_bytes=used, linked=root.linked, hidden=tuple(hidden)
            )
        self._put_aside(self._memory / name, self._memory)

    def book(self, name: str) -> KeptBook:
        """Give what counts for a pod that does not run."""
        return KeptBook(self._kept, name)

    def discard(self, name: str) -> None:
        """Remove all that a pod had that does not run."""
        self._kept.pop(name, None)
        self._put_aside(self._folder / name, self._folder)
        self._put_aside(self._memory / name, self._memory)

    @property
    def has_discarded(self) -> bool:
        """Whether `sweep` has something to remove."""
        return bool(self._discarded)

    async def sweep(self) -> None:
        """Remove what was put aside; takes as long as that takes."""
        discarded, self._discarded = self._discarded, []
        for path in discarded:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    def _put_aside(self, path: Path, folder: Path) -> None:
        aside = folder / f"{_ASIDE}{next(self._numbers)}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise FolderError(str(path), error.strerror or str(error)) from error
        self._discarded.append(aside)

    def _root(
        self, path: Path, spec: PodSpec, mounts: Sequence[Mount], kept: _Kept | None
    ) -> DiskFolder:
        if kept is None:
            path.mkdir(mode=0o700, parents=True)
        with beneath.opened(path) as root:
            used = kept.used_bytes if kept else _fill(root, spec) * BLOCK_BYTES
            hidden = kept.hidden if kept else ()
            used += self._make_targets(root, spec, mounts, hidden) * BLOCK_BYTES
        return DiskFolder(
            target="/",
            folder=path,
            limit_bytes=spec.limits.disk_bytes,
            used_bytes=used,
            linked=kept.linked if kept else False,
            names=None if kept else _first_names(spec, mounts),
        )

    def _make_targets(
        self, root: int, spec: PodSpec, mounts: Sequence[Mount], hidden: Sequence[str]
    ) -> int:
        """Give every mount a place that is seen when its folder is listed; count what was made.

        The folder of a layer is part of the root, too; what is below it in the layer is there.
        """
        layers = _layers(spec, mounts)
        inside = [mount for mount in mounts if mount not in layers]
        targets = [(names_of(mount.target), mount.source.is_dir()) for mount in inside]
        targets += [(names_of(tmpfs.target), True) for tmpfs in spec.tmpfs]
        places = [names for names, _ in targets]
        targets = [one for one in targets if not any(_has(layer, one[0]) for layer in layers)]
        made = 0
        for names in (names_of(mount.target) for mount in layers):
            if not is_hidden(names, hidden):
                made += _make(root, names, is_folder=True)
        work = names_of(spec.working_dir)
        if not any(_has(layer, work) for layer in layers):
            targets.append((work, True))
        for names, is_folder in sorted(targets):
            if not any(names != place and names[: len(place)] == place for place in places):
                made += _make(root, names, is_folder=is_folder)
        return made

    def _tmpfs(self, spec: PodSpec) -> Iterator[DiskFolder]:
        if spec.tmpfs and not self._memory_root.is_dir():
            raise FolderError(str(self._memory_root), "there is no such folder for tmpfs to be in")
        for number, tmpfs in enumerate(spec.tmpfs):
            folder = self._memory / spec.name / str(number)
            folder.mkdir(mode=0o700, parents=True)
            yield DiskFolder(
                target=tmpfs.target, folder=folder, limit_bytes=tmpfs.size_bytes, names=()
            )


def _first_names(spec: PodSpec, mounts: Sequence[Mount]) -> tuple[str, ...]:
    targets = [spec.working_dir, *(mount.target for mount in mounts)]
    targets += [tmpfs.target for tmpfs in spec.tmpfs]
    names = [*_FOLDERS, *(name for target in targets for name in names_of(target)[:1])]
    return tuple(dict.fromkeys(names))


def _layers(spec: PodSpec, mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return lower_layers(mounts, (tmpfs.target for tmpfs in spec.tmpfs))


def _has(layer: Mount, names: tuple[str, ...]) -> bool:
    """Whether a layer has something at a path below its target."""
    target = names_of(layer.target)
    return names[: len(target)] == target and layer.source.joinpath(*names[len(target) :]).exists()


def _is_changed(root: Path, layer: Mount) -> bool:
    """Whether a root has something over a layer, or hides all of it."""
    try:
        with (
            beneath.opened(root) as descriptor,
            beneath.directory(descriptor, names_of(layer.target)) as folder,
        ):
            return bool(os.listdir(folder))
    except OSError:  # its folder is gone, or something else is there
        return True


def _make(root: int, names: tuple[str, ...], *, is_folder: bool) -> int:
    """Make a folder or an empty file, and the folders around it; count them."""
    made = 0
    for depth in range(1, len(names) + 1):
        with beneath.directory(root, names[: depth - 1]) as parent:
            try:
                if depth < len(names) or is_folder:
                    os.mkdir(names[depth - 1], 0o755, dir_fd=parent)
                else:
                    beneath.write_new(parent, names[depth - 1], b"")
            except FileExistsError:
                continue
        made += 1
    return made


def _fill(root: int, spec: PodSpec) -> int:
    """Put into a root what programs expect to find; count the blocks."""
    for name in _FOLDERS:
        os.mkdir(name, 0o755, dir_fd=root)
    files = {
        "hostname": f"{spec.name}\n".encode(),
        "hosts": _hosts(spec),
        "passwd": _PASSWD,
        "group": _GROUP,
        "resolv.conf": _resolv_conf(spec),
    }
    with beneath.directory(root, ("etc",)) as etc:
        for name, content in files.items():
            beneath.write_new(etc, name, content)
    return len(_FOLDERS) + sum(blocks_of(len(content)) for content in files.values())


def _hosts(spec: PodSpec) -> bytes:
    lines = ["127.0.0.1\tlocalhost"]
    lines += [f"{interface.address}\t{spec.name}" for interface in spec.interfaces]
    return "".join(f"{line}\n" for line in lines).encode()


def _resolv_conf(spec: PodSpec) -> bytes:
    """The gateway of each network answers questions for names."""
    networks = [
        IPv4Network((interface.address, interface.prefix), strict=False)
        for interface in spec.interfaces
    ]
    return "".join(f"nameserver {gateway_of(network)}\n" for network in networks).encode()
