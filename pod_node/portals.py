"""The portals of one node: opened, pointed at pods, closed.

Owns the portal server of the node, which starts with the first portal, and the ids by which portals
are known outside. Which pods are behind a portal is for the caller to say; how requests travel is
`vnet.edge`'s business.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from pod_node.errors import UnknownPortalError
from pod_node.status import OpenPortal, PortalBackend
from pod_node.usage import PortalUsage
from vnet.edge import (
    Dial,
    Portal,
    PortalServer,
    PortalTable,
    PortInUseError,
    PortNotAllowedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class Portals:
    """All open portals of a node."""

    def __init__(self, dial: Dial) -> None:
        self._table = PortalTable()
        self._server = PortalServer(self._table, dial)
        self._started = False
        self._numbers = itertools.count(1)
        self._open: dict[str, tuple[Portal, OpenPortal]] = {}

    async def open(
        self,
        service: str,
        port: int,
        host_port: int,
        backends: Iterable[PortalBackend],
        *,
        label: str = "",
        shared_host_port: int = 0,
    ) -> OpenPortal:
        """Open a portal.

        Args:
            service: The service that it leads to.
            port: The port in the pods.
            host_port: A port of the host for this portal alone; 0 shares the node's own.
            backends: The pods that take requests.
            label: Of a portal that was open before; empty makes a new one.
            shared_host_port: What the node's own port was before; counts for its first portal, and
                another one is taken when it is in use.

        Raises:
            MalformedLabelError: the label is none that a portal can have had.
            PortInUseError: another program has the host port.
            PortNotAllowedError: the system does not let us have it.
        """
        if not self._started:
            await self._start(shared_host_port)
        chosen = tuple(backends)
        portal = self._table.open(
            service, port, _dialled(chosen, port), pinned=host_port or None, label=label
        )
        if host_port:
            try:
                await self._server.pin(portal)
            except BaseException:
                self._table.close(portal)
                raise
        view = OpenPortal(
            portal_id=f"portal-{next(self._numbers)}",
            service=service,
            port=port,
            host_port=host_port or self._server.port,
            url=self._server.url(portal),
            backends=chosen,
            label=portal.hostname.partition(".")[0],
            pinned=bool(host_port),
        )
        self._open[view.portal_id] = portal, view
        return view

    def set_backends(self, portal_id: str, backends: Iterable[PortalBackend]) -> None:
        """Replace the pods behind a portal; requests under way go on.

        Raises:
            UnknownPortalError: there is no such portal.
        """
        portal, view = self._find(portal_id)
        chosen = tuple(backends)
        portal.set_backends(_dialled(chosen, view.port))
        self._open[portal_id] = portal, replace(view, backends=chosen)

    def close(self, portal_id: str) -> None:
        """Close a portal and its connections.

        Raises:
            UnknownPortalError: there is no such portal.
        """
        portal, _ = self._find(portal_id)
        del self._open[portal_id]
        self._server.unpin(portal)
        self._table.close(portal)

    def remove_pod(self, pod: str) -> None:
        """Send no more requests to a pod, through any portal."""
        for portal_id, (_, view) in list(self._open.items()):
            kept = [backend for backend in view.backends if backend.pod != pod]
            if len(kept) != len(view.backends):
                self.set_backends(portal_id, kept)

    def views(self) -> list[OpenPortal]:
        """List the open portals, in the order of their opening."""
        return [view for _, view in self._open.values()]

    def usages(self) -> list[PortalUsage]:
        """What went through each open portal."""
        return [_usage(portal) for portal, _ in self._open.values()]

    async def stop(self) -> None:
        """Close all portals and stop listening."""
        if self._started:
            await self._server.stop()
            self._started = False
        for portal, _ in self._open.values():
            self._table.close(portal)
        self._open.clear()

    async def _start(self, shared_host_port: int) -> None:
        try:
            await self._server.start(port=shared_host_port)
        except (PortInUseError, PortNotAllowedError):
            if not shared_host_port:
                raise
            await self._server.start()
        self._started = True

    def _find(self, portal_id: str) -> tuple[Portal, OpenPortal]:
        found = self._open.get(portal_id)
        if found is None:
            raise UnknownPortalError(portal_id)
        return found


def _usage(portal: Portal) -> PortalUsage:
    counters = portal.counters
    return PortalUsage(
        service=portal.service,
        port=portal.port,
        connections=counters.connections,
        requests=counters.requests,
        responses=(
            counters.responses_2xx,
            counters.responses_3xx,
            counters.responses_4xx,
            counters.responses_5xx,
        ),
        failures=counters.failures,
        refused=counters.refused,
        websockets=counters.websockets,
        received_bytes=counters.received_bytes,
        sent_bytes=counters.sent_bytes,
        latency_counts=tuple(counters.latencies.counts),
        latency_sum_s=counters.latencies.sum_s,
    )


def _dialled(backends: Iterable[PortalBackend], port: int) -> list[tuple[str, int]]:
    return [(str(backend.address), port) for backend in backends]
