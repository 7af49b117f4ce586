"""Which names and portals lead to which pods: kept up with the pods that are ready.

Owns the pace. Many pods that become ready at about the same time are published together, and no
more than a share of the time goes into it; a pod that waited for others is not kept waiting.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.launch.reachable import portal_backends, reachable_names, ready_pods

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.plan import Plan
    from orchestrator.launch.reachable import Names
    from orchestrator.lifecycle.deployment import Deployment
    from pod_node.status import OpenPortal, PortalBackend

IDLE_SHARE = 3.0
"""After publishing, this many times as long passes before the next time, if nobody waits for it."""


class Publishing:
    """The names and portals of one node."""

    def __init__(self, client: Nodes, deployment: Deployment, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._client = client
        self._deployment = deployment
        self._plan: Plan | None = None
        self._without: Collection[str] = ()
        self._portals: Sequence[OpenPortal] = ()
        self._names: Names = {}
        self._backends: dict[str, tuple[PortalBackend, ...]] = {}
        self._wanted = self._done = 0
        self._woken = asyncio.Event()
        self._urgent = asyncio.Event()
        self._caught_up = asyncio.Condition()

    def take(
        self, plan: Plan, portals: Sequence[OpenPortal], *, without: Collection[str] = ()
    ) -> None:
        """Publish for another plan.

        Args:
            plan: Has the names.
            portals: Those that are open.
            without: Networks that are not there yet.
        """
        self._plan, self._portals, self._without = plan, tuple(portals), without
        for network in without:
            self._names.pop(network, None)
        known = {portal.portal_id for portal in portals}
        self._backends = {k: v for k, v in self._backends.items() if k in known}
        self.wake()

    def forget_backends(self) -> None:
        """Tell the portals anew: the node has changed them by itself."""
        self._backends.clear()
        self.wake()

    def wake(self) -> None:
        """Pods have changed."""
        self._wanted += 1
        self._woken.set()

    @property
    def is_current(self) -> bool:
        """Whether all that is so now has been published; if not, it is hurried."""
        if self._done < self._wanted:
            self._urgent.set()
        return self._done >= self._wanted

    async def caught_up(self) -> None:
        """Wait until all that is so now has been published."""
        wanted = self._wanted
        self._urgent.set()
        async with self._caught_up:
            await self._caught_up.wait_for(lambda: self._done >= wanted)

    async def run(self) -> None:
        """Publish whatever changes, until cancelled.

        Raises:
            OrchestratorError: the node refused.
        """
        clock = asyncio.get_running_loop().time
        while True:
            await self._woken.wait()
            self._woken.clear()
            self._urgent.clear()
            wanted, began = self._wanted, clock()
            await self._publish()
            self._done = wanted
            async with self._caught_up:
                self._caught_up.notify_all()
            self._on_done()
            try:
                async with asyncio.timeout((clock() - began) * IDLE_SHARE):
                    await self._urgent.wait()
            except TimeoutError:
                continue

    async def _publish(self) -> None:
        """Bring names and portals in line with the pods that are ready."""
        if self._plan is None:
            return
        ready = ready_pods(self._deployment.views)
        for network, names in reachable_names(self._plan, ready).items():
            if network not in self._without and self._names.get(network) != names:
                await self._client.publish_names(network, names)
                self._names[network] = names
        planned = {(portal.service, portal.port): portal for portal in self._plan.portals}
        for portal in self._portals:
            found = planned.get((portal.service, portal.port))
            backends = () if found is None else portal_backends(found, ready)
            if backends != self._backends.get(portal.portal_id):
                await self._client.set_portal_backends(portal.portal_id, backends)
                self._backends[portal.portal_id] = backends
