"""The one place that grants leases to the nodes of a deployment.

Owns a lease table and its clock. It is neither part of the orchestrator nor of a node: pods outlive
an orchestrator that ends, since leases go on, and a node that is cut off gets none.
"""

from __future__ import annotations

from orchestrator.cluster.leases import LeaseTable
from pod_node.lease import boot_time


class Keeper:
    """Grants leases."""

    def __init__(self, lease_s: float) -> None:
        self._table = LeaseTable(lease_s)

    async def renew(self, key: str) -> float | None:
        """Grant a lease; how long it is, from the moment at which it was asked for."""
        return self._table.lease_s if self._table.renew(key, boot_time()) else None

    async def revoke(self, key: str) -> float:
        """Grant a node no more; after how many seconds it has none any more."""
        now = boot_time()
        return self._table.revoke(key, now) - now

    async def expired(self) -> list[str]:
        """Nodes that have lost their lease since the last time this was asked."""
        return self._table.expired(boot_time())

    async def forget(self, key: str) -> None:
        """Drop a node that is known to have ended."""
        self._table.forget(key)
