"""The lives of a node's pods: what there is of each from its boot on, and how one is found by name.

Owns the table. Who begins and ends lives is `node.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod_node.errors import UnknownPodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod_node.attaching import Console
    from pod_node.files import PodFolders
    from pod_node.runtime import Pod
    from pod_node.spec import Mount
    from pod_node.status import PodStatus


@dataclass(slots=True)
class Life:
    """One life of a pod, from boot to exit."""

    status: PodStatus
    pod: Pod
    mounts: tuple[Mount, ...]
    folders: PodFolders
    console: Console
    checks: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def cancel_checks(self) -> None:
        """Ask nothing of its health any more."""
        if self.checks is not None:
            self.checks.cancel()


class Lives(dict[str, Life]):
    """The latest life of each pod, by name, in the order of their first boot."""

    def find(self, name: str) -> Life:
        """Find a pod.

        Raises:
            UnknownPodError: no pod of that name was booted.
        """
        life = self.get(name)
        if life is None:
            raise UnknownPodError(name)
        return life

    @property
    def living(self) -> list[Life]:
        """Those that have not ended."""
        return [life for life in self.values() if not life.ended.is_set()]


async def ends_of(lives: Sequence[Life], within_s: float) -> None:
    """Wait until all of some lives have ended, but not for long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            for life in lives:
                await life.ended.wait()
