"""Keeps links that nodes share at their rates: says what this node wants, and takes its share.

Runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vnet.tasks import TaskOwner
from vnet.trunk.frames import WHOLE, Claims
from vnet.trunk.shares import Shares, interval_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vnet.trunk.frames import LinkWay
    from vnet.trunk.peer import PeerLink
    from vnet.trunk.switch import LinkSwitch


class LinkSharing:
    """This node's share of every link."""

    def __init__(self, switch: LinkSwitch, peers: Mapping[str, PeerLink]) -> None:
        """Prepare.

        Args:
            switch: The links of the fabric.
            peers: The other nodes, which come and go.
        """
        self._switch = switch
        self._peers = peers
        self._shares = Shares()
        self._limits: dict[LinkWay, int] = {}
        self._claimed = False
        self._tasks = TaskOwner()
        self._loop = asyncio.get_running_loop()

    @property
    def limits(self) -> Mapping[LinkWay, int]:
        """What this node may have of links that others want too, in parts of `WHOLE`."""
        return self._limits

    def start(self) -> None:
        """Begin to share."""
        self._tasks.spawn(self._keep_sharing(), "shares of links")

    async def stop(self) -> None:
        """Have links for this node alone."""
        await self._tasks.cancel_all()
        self._take({})

    def hear(self, node: str, claims: Claims) -> None:
        """Take in what another node wants."""
        self._shares.hear(node, claims.claims, self._loop.time())

    async def _keep_sharing(self) -> None:
        while True:
            await asyncio.sleep(interval_s(len(self._peers)))
            self._turn(self._loop.time())

    def _turn(self, now_s: float) -> None:
        connected = {name: peer for name, peer in self._peers.items() if peer.is_connected}
        if not (self._limits or self._claimed or (connected and self._switch.has_rates())):
            return
        self._shares.observe(self._switch.take_uses(), now_s)
        self._shares.keep(connected, now_s)
        claims = Claims(self._shares.claims())
        if claims.claims or self._claimed:  # the last of them says that there are none
            for peer in connected.values():
                peer.carrier.say(claims)
        self._claimed = bool(claims.claims)
        self._take(self._shares.limits())

    def _take(self, limits: dict[LinkWay, int]) -> None:
        """Also those that are as before: a link may have been made anew."""
        released = {way: WHOLE for way in self._limits if way not in limits}
        self._limits = limits
        if limits or released:
            self._switch.limit(released | limits)
