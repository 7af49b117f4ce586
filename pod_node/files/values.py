"""What a pod has on this machine that is its own, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOCK_BYTES = 4096
"""The unit in which kernels count disk: `DISK_BLOCK`."""


def blocks_of(size_bytes: int) -> int:
    """Say what a file of that size takes."""
    return max(1, -(-size_bytes // BLOCK_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFolder:
    """A folder that only one pod and the node write to."""

    target: str
    """Where the pod sees it."""
    folder: Path
    limit_bytes: int
    used_bytes: int = 0
    linked: bool = False
    """Whether there may be symbolic links in it."""
    names: tuple[str, ...] | None = None
    """What its first directory has; None when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFolders:
    """All of a pod's own folders; its root is the first."""

    disks: tuple[DiskFolder, ...]
    changed: frozenset[str] = frozenset()
    """Targets of those layers that the root has something over."""
    hidden: tuple[str, ...] = ()
    """Paths of layers that are not seen in this root, as their kernel has them."""

    @property
    def root(self) -> DiskFolder:
        """Where the pod sees `/`."""
        return self.disks[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """What one of a pod's own folders holds."""

    target: str
    used_bytes: int
    limit_bytes: int
    refusals: int = 0
    """How often the pod was told that there is no room."""
    linked: bool = False


class DiskBook(Protocol):
    """Where what a pod's folders take is counted, and what its root hides of layers."""

    def usage(self) -> tuple[DiskUsage, ...]:
        """What each has; the root is the first, and what the others have counts for it, too."""

    def take(self, target: str, blocks: int) -> None:
        """Count what the node is about to put there.

        Raises:
            DiskFullError: there is no room for it.
        """

    def give(self, target: str, blocks: int) -> None:
        """Count no longer what the node has taken away."""

    def linked(self, target: str) -> None:
        """Have symbolic links looked for there from now on."""

    def hidden(self) -> tuple[str, ...]:
        """Which paths of layers are not seen."""

    def hide(self, path: str) -> None:
        """Have layers show nothing more at a path."""

    def change(self, path: str) -> None:
        """Tell that something is about to be put over a layer."""
