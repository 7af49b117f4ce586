"""Removes lock folders that a pod's processes have left behind; which those are, its kernel says.

Their names are the pod's, so they are looked up beneath the folder of their mount, and no link is
followed.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pod_node.files import beneath

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from pod_node.engine.mounts import MountTable

_PATH_SIZE = 4096


def remove_lock_folders(fabric: Fabric, files: int, mounts: MountTable) -> None:
    """Remove the folders of processes that have ended."""
    while (row := fabric.try_call("host_lock_folder_take", files, fabric.staging)) >= 0:
        text = bytes(fabric.view[fabric.staging : fabric.staging + _PATH_SIZE])
        path = text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        entry = mounts.entries[row]
        names = [name for name in path[len(entry.target) :].split("/") if name not in ("", ".")]
        if ".." in names:
            continue
        with suppress(OSError), beneath.opened(entry.folder) as top:
            with beneath.directory(top, names[:-1]) as folder:
                os.rmdir(names[-1], dir_fd=folder)
            fabric.try_call("host_disk_give", files, row, 1)
    assert row == -errno.ENOENT, "the kernel has nothing else to say"
