"""What a pod's own files take, as its kernel counts it."""

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
