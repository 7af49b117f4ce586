"""Which of a pod's mounts are layers below its root, and what is known of what lies over them.

Owns the rule that the kernel is told (`overlay.h`): an image's files are the lower part of a union
with the root, unless something else is mounted where they are or around it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pod_node.spec import Mount

Names: TypeAlias = "tuple[str, ...]"


def names_of(path: str) -> Names:
    """Split a path that has no links in it."""
    return tuple(name for name in path.split("/") if name)


def path_of(names: Names) -> str:
    """Write names as the kernel has a path: the root's is empty."""
    return "".join(f"/{name}" for name in names)


def lower_layers(mounts: Sequence[Mount], tmpfs: Iterable[str]) -> tuple[Mount, ...]:
    """Choose those that are in a union with the root, in their order.

    Args:
        mounts: A pod's.
        tmpfs: Targets of what else it has.
    """
    others = [names_of(mount.target) for mount in mounts if not mount.layer]
    others += [names_of(target) for target in tmpfs]
    return tuple(
        mount
        for mount in mounts
        if mount.layer
        and not any(names_of(mount.target)[: len(other)] == other for other in others)
    )


def is_hidden(names: Names, hidden: Iterable[str]) -> bool:
    """Whether a path, or one around it, is among those that layers show no more."""
    prefixes = {path_of(names[:length]) for length in range(1, len(names) + 1)}
    return not prefixes.isdisjoint(hidden)
