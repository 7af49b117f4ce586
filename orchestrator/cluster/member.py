"""One node of a fleet, as long as it belongs to it.

Owns the end of calls to a node that is lost: they fail at once, however long the network would let
them wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from orchestrator.codec import NodeLostError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from orchestrator.cluster.carrying import Carrier
    from orchestrator.codec import NodeClient
    from orchestrator.placement import NodeOffer
    from vnet.configuration import NetworkConfiguration, PortRange
    from vnet.trunk import PeerSpec, TrunkSettings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSettings:
    """What a fleet has to know of a node."""

    offer: NodeOffer
    trunk: TrunkSettings
    """Who it is among the others, and where it listens for them."""
    is_here: bool
    """Whether it is on the orchestrator's own machine."""
    pid: int = 0
    machine: str = ""
    """Tells the machines apart."""
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    """Of its machine."""
    ports: tuple[PortRange, ...] = ()
    """Of its machine, that pods must not reach."""


class Member:
    """A node that belongs to a fleet."""

    def __init__(
        self, settings: MemberSettings, client: NodeClient, carrier: Carrier | None = None
    ) -> None:
        """Have a node.

        Args:
            settings: What a fleet has to know of it.
            client: The way to it.
            carrier: The way of images' parts to and from its machine, if there is one.
        """
        self.name = settings.offer.name
        self.settings = settings
        self.client = client
        self.carrier = carrier
        self.trunk_address = ""
        self.peers: tuple[PeerSpec, ...] | None = None
        """What it was told of others."""
        self.configuration: NetworkConfiguration | None = None
        """What its network was told to be like."""
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._condemned = asyncio.Event()
        self._why = ""

    @property
    def is_gone(self) -> bool:
        """Whether it belongs to the fleet no more."""
        return self._gone.done()

    def leave(self, reason: str) -> None:
        """Have all calls to it fail, now and later."""
        if not self._gone.done():
            self._gone.set_result(reason)

    def condemn(self, reason: str) -> None:
        """Ask for its end: it is not what it should be."""
        self._why = reason
        self._condemned.set()

    async def condemned(self) -> str:
        """Wait until somebody asks for its end; say why."""
        await self._condemned.wait()
        return self._why

    async def wait_gone(self, patience_s: float) -> bool:
        """Wait until it belongs to the fleet no more; whether it came to that."""
        done, _ = await asyncio.wait({self._gone}, timeout=patience_s)
        return bool(done)

    async def call(self, work: Awaitable[_T]) -> _T:
        """Make a call, and give up when the node is lost.

        Raises:
            NodeLostError: it is, or the call says so.
        """
        if self._gone.done():
            if isinstance(work, Coroutine):
                work.close()
            raise NodeLostError(self._gone.result())
        call = asyncio.ensure_future(work)  # noqa: TID251 - waited for right here
        try:
            waiting: set[asyncio.Future[_T] | asyncio.Future[str]] = {call, self._gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            call.cancel()
            raise
        if call.done():
            return call.result()
        call.cancel()
        await asyncio.wait({call})
        raise NodeLostError(self._gone.result())
