"""A pod's mounts as its kernel and the engine's WASI are told of them.

Owns the order, which is that of the preopened directories in every process of the pod, and the
layout of the kernel's table (`mounts.h`). Makes no folder: that is `files/roots.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pod_node.files import lower_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import wasmtime

    from pod_node.files import PodFolders
    from pod_node.spec import Mount, PodSpec

_REQUEST = struct.Struct("<IIIIQQ")
FIRST_PREOPEN = 3
NET, PROC, DEV = "/net", "/proc", "/dev"


class MountFlag(IntFlag):
    """`enum mount_flag` of the kernel."""

    NONE = 0
    READ_ONLY = 1
    ENTRY = 2
    PRIVATE = 4
    FOREIGN = 8
    NET = 16
    LINKED = 32
    PROC = 64
    FRESH = 128
    LAYER = 256
    CHANGED = 512
    DEV = 1024


OF_THE_KERNEL = MountFlag.NET | MountFlag.PROC | MountFlag.DEV


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One row of the kernel's table."""

    target: str
    """Without a slash at its end: the root's is empty."""
    flags: MountFlag
    folder: Path = Path()
    """What the engine opens; unused for the kernel's."""
    entry: str = ""
    """The only file of the folder that is seen, for a mount of a file; all names in a fresh one."""
    disk_limit: int = 0
    disk_used: int = 0


@dataclass(frozen=True)
class MountTable:
    """All mounts of a pod, in order."""

    entries: tuple[MountEntry, ...]

    @cached_property
    def _texts(self) -> bytes:
        return b"".join(_encoded(entry.target) + _encoded(entry.entry) for entry in self.entries)

    @property
    def text_bytes(self) -> int:
        """The length of all names together."""
        return len(self._texts)

    def encode(self) -> bytes:
        """Write the table as the kernel reads it."""
        rows = [
            _REQUEST.pack(
                entry.flags,
                FIRST_PREOPEN + number,
                len(_encoded(entry.target)),
                len(_encoded(entry.entry)),
                entry.disk_limit,
                entry.disk_used,
            )
            for number, entry in enumerate(self.entries)
        ]
        return b"".join(rows) + self._texts

    def preopen(self, wasi: wasmtime.WasiConfig) -> None:
        """Have the engine open every folder, for one process of the pod."""
        for entry in self.entries:
            if not entry.flags & OF_THE_KERNEL:
                writable = not entry.flags & MountFlag.READ_ONLY
                wasi.preopen_dir(str(entry.folder), entry.target or "/", writable)


def mount_table(spec: PodSpec, folders: PodFolders | None) -> MountTable:
    """List the mounts of a pod; the kernel's are last, so that all others are opened in a row."""
    kernel = [
        MountEntry(target=NET, flags=MountFlag.NET),
        MountEntry(target=PROC, flags=MountFlag.PROC),
    ]
    own = tuple(_rows(spec, folders))
    if folders and not any(entry.target == DEV for entry in own):
        kernel.append(MountEntry(target=DEV, flags=MountFlag.DEV))
    return MountTable((*own, *kernel))


def _flags(mount: Mount, *, is_lower: bool, changed: frozenset[str]) -> MountFlag:
    flags = MountFlag.NONE if mount.layer else MountFlag.FOREIGN
    if mount.read_only:
        flags |= MountFlag.READ_ONLY
    if mount.links:
        flags |= MountFlag.LINKED
    if is_lower:
        flags |= MountFlag.LAYER
        if mount.target in changed:
            flags |= MountFlag.CHANGED
    return flags


def _rows(spec: PodSpec, folders: PodFolders | None) -> Iterator[MountEntry]:
    tmpfs = (one.target for one in spec.tmpfs)
    lower = lower_layers(spec.mounts, tmpfs) if folders else ()
    changed = folders.changed if folders else frozenset()
    for mount in spec.mounts:
        flags = _flags(mount, is_lower=mount in lower, changed=changed)
        folder, entry, target = mount.source, "", mount.target.rstrip("/")
        if not folder.is_dir():
            resolved = folder.resolve()
            folder, entry = resolved.parent, resolved.name
            flags |= MountFlag.ENTRY
        yield MountEntry(target=target, flags=flags, folder=folder, entry=entry)
    if folders is None:
        return
    for disk in folders.disks:
        yield MountEntry(
            target=disk.target.rstrip("/"),
            flags=MountFlag.PRIVATE
            | (MountFlag.LINKED if disk.linked else MountFlag.NONE)
            | (MountFlag.NONE if disk.names is None else MountFlag.FRESH),
            folder=disk.folder,
            entry="/".join(disk.names or ()),
            disk_limit=disk.limit_bytes,
            disk_used=disk.used_bytes,
        )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
