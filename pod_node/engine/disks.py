"""What a pod's own files take and what its root hides of layers, as its kernel has it."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from pod_node.engine.mounts import MountFlag
from pod_node.files import DiskFullError, DiskUsage

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.mounts import MountTable

_STATISTICS = struct.Struct("<QQII")


class FabricDisks:
    """The disks of one pod in the kernel, from its boot until its `on_exit` has returned."""

    def __init__(self, fabric: Fabric, files: int, mounts: MountTable) -> None:
        self._fabric = fabric
        self._files = files
        self._rows = {
            entry.target or "/": number
            for number, entry in enumerate(mounts.entries)
            if entry.flags & MountFlag.PRIVATE
        }

    def usage(self) -> tuple[DiskUsage, ...]:
        """What each has; the root is the first, and what the others have counts for it, too."""
        usages = []
        for target, row in self._rows.items():
            at = self._fabric.staging
            self._fabric.call("host_disk", self._files, row, at)
            used, limit, refusals, linked = _STATISTICS.unpack_from(self._fabric.view, at)
            usages.append(
                DiskUsage(
                    target=target,
                    used_bytes=used,
                    limit_bytes=limit,
                    refusals=refusals,
                    linked=bool(linked),
                )
            )
        return tuple(usages)

    def take(self, target: str, blocks: int) -> None:
        """Count what the node is about to put there.

        Raises:
            DiskFullError: there is no room for it.
        """
        result = self._fabric.try_call("host_disk_take", self._files, self._rows[target], blocks)
        if result < 0:
            raise DiskFullError(target, -result == errno.EDQUOT)

    def give(self, target: str, blocks: int) -> None:
        """Count no longer what the node has taken away."""
        self._fabric.call("host_disk_give", self._files, self._rows[target], blocks)

    def linked(self, target: str) -> None:
        """Have the kernel look for symbolic links there from now on."""
        self._fabric.call("host_files_linked", self._files, self._rows[target])

    def hidden(self) -> tuple[str, ...]:
        """Which paths of layers are not seen."""
        paths: list[str] = []
        at, size = self._fabric.staging, self._fabric.staging_size
        while count := self._fabric.call("host_layers_hidden", self._files, len(paths), at, size):
            texts = bytes(self._fabric.view[at : at + size]).split(b"\0", count)[:count]
            paths += (text.decode("utf-8", "surrogateescape") for text in texts)
        return tuple(paths)

    def hide(self, path: str) -> None:
        """Have layers show nothing more at a path.

        Raises:
            DiskFullError: the kernel has no room to keep it in mind.
        """
        at, length = self._stage(path)
        if self._fabric.try_call("host_layers_hide", self._files, at, length) < 0:
            raise DiskFullError("/", of_pod=True)

    def change(self, path: str) -> None:
        """Tell that something is about to be put over a layer."""
        self._fabric.call("host_layers_change", self._files, *self._stage(path))

    def _stage(self, path: str) -> tuple[int, int]:
        encoded = path.encode("utf-8", "surrogateescape")
        at = self._fabric.staging
        self._fabric.view[at : at + len(encoded)] = encoded
        return at, len(encoded)
