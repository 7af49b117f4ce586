"""The portals of a deployment on several nodes: all on one of them, the one that is nearest.

Owns which node that is, and opens portals again on another one, under the same names and ports,
when it is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.codec import NodeLostError, NodeRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cluster.member import Member
    from pod_node.status import OpenPortal, PortalBackend


@dataclass(slots=True)
class _Portal:
    opened: OpenPortal
    """As it was first opened: its id is kept, whatever the node says later."""
    actual_id: str
    backends: tuple[PortalBackend, ...]


class FleetPortals:
    """Portals, wherever they are."""

    def __init__(self) -> None:
        self._home: Member | None = None
        self._portals: dict[str, _Portal] = {}

    async def open(
        self,
        members: Sequence[Member],
        service: str,
        port: int,
        host_port: int,
        backends: tuple[PortalBackend, ...],
        label: str,
        shared_host_port: int,
    ) -> OpenPortal:
        """Open a portal.

        Raises:
            NodeRefusedError: there is no node, or it cannot.
        """
        home = self._choose(members)
        opened = await home.call(
            home.client.open_portal(
                service,
                port,
                host_port,
                backends,
                label=label,
                shared_host_port=shared_host_port,
            )
        )
        self._portals[opened.portal_id] = _Portal(opened, opened.portal_id, backends)
        return opened

    async def close(self, portal_id: str) -> None:
        """Close a portal."""
        portal = self._portals.pop(portal_id, None)
        if portal is not None and self._home is not None:
            try:
                await self._home.call(self._home.client.close_portal(portal.actual_id))
            except NodeLostError:
                return  # it is closed with its node

    async def set_backends(self, portal_id: str, backends: tuple[PortalBackend, ...]) -> None:
        """Replace the pods behind a portal."""
        portal = self._portals.get(portal_id)
        if portal is None:
            raise NodeRefusedError(f"there is no portal {portal_id}")
        portal.backends = backends
        await self._set(portal)

    async def adopt(self, members: Sequence[Member]) -> list[OpenPortal]:
        """List the portals; the first time, find those that a node has already."""
        if not self._portals:
            for member in members:
                try:
                    found = await member.call(member.client.list_portals())
                except NodeLostError:
                    continue
                if found:
                    self._home = member
                    self._portals = {
                        one.portal_id: _Portal(one, one.portal_id, one.backends) for one in found
                    }
                    break
        return [replace(p.opened, backends=p.backends) for p in self._portals.values()]

    def leave(self, member: Member) -> None:
        """Take note that a node is lost."""
        if self._home is member:
            self._home = None

    async def settle(self, members: Sequence[Member]) -> None:
        """Open all portals again where they are not."""
        if self._home is not None or not members or not self._portals:
            return
        home = self._choose(members)
        for portal in self._portals.values():
            opened = portal.opened
            try:
                again = await home.call(
                    home.client.open_portal(
                        opened.service,
                        opened.port,
                        opened.host_port if opened.pinned else 0,
                        portal.backends,
                        label=opened.label,
                        shared_host_port=0 if opened.pinned else opened.host_port,
                    )
                )
            except NodeLostError:
                self._home = None
                return
            portal.actual_id = again.portal_id

    async def _set(self, portal: _Portal) -> None:
        home = self._home
        if home is None:
            return  # `settle` opens it with what it has
        try:
            await home.call(home.client.set_portal_backends(portal.actual_id, portal.backends))
        except NodeLostError:
            return

    def _choose(self, members: Sequence[Member]) -> Member:
        if self._home is None:
            if not members:
                raise NodeRefusedError("there is no node to open a portal on")
            self._home = next((m for m in members if m.settings.is_here), members[0])
        return self._home
