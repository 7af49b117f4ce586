"""One other node: the session with it, and the streams that come and go.

Owns dialling with back-off, the time for which a broken trunk is only a partition, and what is
known of the other node's state. While there is no stream, flows wait and packets are lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import grpc
from grpc import aio

from protos.vnet.v1.trunk_pb2_grpc import TrunkServiceStub
from vnet.errors import InvalidMessageError, VnetError
from vnet.tasks import TaskOwner
from vnet.trunk.back_off import BackOff
from vnet.trunk.carrier import Carrier
from vnet.trunk.errors import PeerRefusedError, ProtocolError
from vnet.trunk.frames import Reason
from vnet.trunk.outgoing import Outgoing
from vnet.trunk.session import Session
from vnet.trunk.settings import PeerSpec, PeerStatus
from vnet.trunk.stream import (
    Greeted,
    Identity,
    StreamEndedError,
    Wire,
    answer_greeting,
    converse,
    dial_greeting,
)

if TYPE_CHECKING:
    from vnet.host import Watches
    from vnet.trunk.frames import Claims
    from vnet.trunk.session import Position
    from vnet.trunk.switch import TrunkSwitch

_log = logging.getLogger(__name__)

GREETING_S = 5.0


class PeerLink:
    """The trunk to one other node."""

    def __init__(
        self,
        spec: PeerSpec,
        identity: Identity,
        switch: TrunkSwitch,
        watches: Watches,
        open_channel: Callable[[PeerSpec], aio.Channel],
        *,
        is_owner: Callable[[str, int], bool],
        hear: Callable[[str, Claims], None],
        outage_s: float,
    ) -> None:
        """Prepare a trunk; nothing is dialled before `start`.

        Args:
            spec: The other node.
            identity: This node.
            switch: The fabric.
            watches: Tells what can be read and written.
            open_channel: Makes a channel to a node.
            is_owner: Whether pods of a node may speak from an address.
            hear: Takes what a node wants of links.
            outage_s: How long flows outlive a broken trunk.
        """
        self.spec = spec
        self._identity = identity
        self._open_channel = open_channel
        self._outage_s = outage_s
        self._loop = asyncio.get_running_loop()
        self._outgoing: Outgoing | None = None
        self._dials = identity.node < spec.name
        self._session = Session(is_first=self._dials, incarnation=secrets.randbits(63) | 1)
        self.carrier = Carrier(
            self._session,
            switch,
            watches,
            lambda address: is_owner(self.spec.name, address),
            self._wake,
            lambda claims: hear(self.spec.name, claims),
        )
        self._tasks = TaskOwner()
        self._conversation: asyncio.Task[None] | None = None
        self._outage: asyncio.TimerHandle | None = None
        self._reason = "nothing has been heard of it yet"

    @property
    def status(self) -> PeerStatus:
        """What is known of the other node."""
        return PeerStatus(
            name=self.spec.name,
            connected=self.is_connected,
            reason="" if self.is_connected else self._reason,
            flows=len(self._session.flows),
        )

    @property
    def is_connected(self) -> bool:
        """Whether there is a stream."""
        return self._session.streaming

    def start(self) -> None:
        """Begin to dial, if this is the side that does."""
        if self._dials:
            self._tasks.spawn(self._keep_dialling(), f"trunk to {self.spec.name}")

    def _wake(self) -> None:
        if self._outgoing is not None:
            self._outgoing.wake()

    async def close(self) -> None:
        """End the stream and every flow."""
        await self._tasks.cancel_all()
        await self._hang_up()
        if self._outage is not None:
            self._outage.cancel()
        self.carrier.reset_all(lambda ends: True)

    def redial(self, spec: PeerSpec) -> None:
        """Note what has changed; at another address the node is dialled anew."""
        moved = spec.address != self.spec.address
        self.spec = spec
        if moved and self._dials:
            self._tasks.cancel()
            self.start()

    async def _keep_dialling(self) -> None:
        back_off = BackOff()
        while True:
            began_s = self._loop.time()
            try:
                await self._dial()
            except PeerRefusedError as error:
                self._note(str(error), warn=True)
            except (StreamEndedError, VnetError, aio.AioRpcError, TimeoutError) as error:
                self._note_failure(error)
            lasted_s = self._loop.time() - began_s
            await asyncio.sleep(back_off.next_s(lasted_s, random.random()))

    async def _dial(self) -> None:
        await self._hang_up()
        async with self._open_channel(self.spec) as channel:
            wire = TrunkServiceStub(channel).Connect()
            try:
                async with asyncio.timeout(GREETING_S):
                    mine = self._session.position
                    theirs = await dial_greeting(wire, self._identity, self.spec.name, lambda: mine)
                if mine != self._session.position:
                    raise StreamEndedError  # given up meanwhile, which the other side cannot know
                self._resume(theirs)
                await self._converse(wire)
            finally:
                wire.cancel()

    async def attend(self, wire: Wire, greeted: Greeted) -> None:
        """Serve a stream that the other node has dialled, in the place of one before.

        Raises:
            StreamEndedError: It has ended.
            VnetError: The other node says what it may not.
        """
        await self._hang_up()
        position = self._session.position
        self._resume(greeted.theirs)
        await self._converse(wire, answer_greeting(wire, greeted, position))

    def _resume(self, theirs: Position) -> None:
        try:
            self.carrier.handle(self._session.resume(theirs))
        except ProtocolError:
            self._session.lost()
            self.carrier.handle(self._session.give_up(Reason.RESET))
            raise

    async def _hang_up(self) -> None:
        before = self._conversation
        if before is not None and not before.done():
            before.cancel()
            await asyncio.wait([before])

    async def _converse(self, wire: Wire, greeting: Awaitable[None] | None = None) -> None:
        """Carry batches until the stream ends, or another takes its place."""
        self._online()
        outgoing = self._outgoing = Outgoing(wire, self.carrier)
        conversation = self._loop.create_task(
            converse(wire, self._session, self.carrier, outgoing, greeting),
            name=f"trunk with {self.spec.name}",
        )
        self._conversation = conversation
        try:
            await conversation
        except asyncio.CancelledError:
            raise StreamEndedError from None  # another one has taken its place
        except (ProtocolError, InvalidMessageError):
            self.carrier.handle(self._session.give_up(Reason.RESET))
            raise
        finally:
            if conversation.done() and not conversation.cancelled():
                conversation.exception()  # whoever is cancelled meanwhile does not care
            if self._conversation is conversation:
                self._offline()
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise asyncio.CancelledError  # whatever the stream's last words were

    def _online(self) -> None:
        if self._outage is not None:
            self._outage.cancel()
            self._outage = None

    def _offline(self) -> None:
        self._session.lost()
        if self._outage is None:
            self._outage = self._loop.call_later(self._outage_s, self._give_up)

    def _give_up(self) -> None:
        self._outage = None
        self.carrier.handle(self._session.give_up(Reason.TIMED_OUT))

    def _note_failure(self, error: Exception) -> None:
        if isinstance(error, ProtocolError):
            self._note(str(error), warn=True)
        elif isinstance(error, aio.AioRpcError):
            refused = error.code() is grpc.StatusCode.FAILED_PRECONDITION
            self._note(error.details() or error.code().name, warn=refused)
        elif isinstance(error, TimeoutError):
            self._note("it does not answer")
        else:
            self._note(str(error) or "the stream has ended")

    def _note(self, reason: str, *, warn: bool = False) -> None:
        """Keep why there is no stream; tell it once, when somebody has to do something."""
        if warn and reason != self._reason:
            _log.warning("no trunk to node %s: %s", self.spec.name, reason)
        self._reason = reason
