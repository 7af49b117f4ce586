"""One stream of a trunk over gRPC: the greeting, then batches both ways.

Owns the order of messages. Which node is right, and what frames mean, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from google.protobuf.message import DecodeError
from grpc import aio

from protos.vnet.v1 import trunk_pb2 as pb
from vnet.errors import InvalidMessageError
from vnet.trunk import codec
from vnet.trunk.errors import PeerRefusedError
from vnet.trunk.greeting import NONCE_BYTES, VERSION, Hello, Side, check_hello, check_proof, prove
from vnet.trunk.outgoing import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vnet.trunk.carrier import Carrier
    from vnet.trunk.outgoing import Outgoing
    from vnet.trunk.session import Position, Session


class Wire(Writer, Protocol):
    """A bidirectional call, as both sides of gRPC have it."""

    def read(self) -> Awaitable[pb.TrunkMessage | object]:
        """Take the next message; `aio.EOF` at the end."""


class StreamEndedError(Exception):
    """The other side has ended the stream, or broken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this node is."""

    deployment: str
    node: str
    token: bytes

    def hello(self) -> Hello:
        """What it says first on a new stream."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Hello(VERSION, self.deployment, self.node, nonce)


async def _next(wire: Wire) -> pb.TrunkMessage:
    """Take the next message.

    Raises:
        InvalidMessageError: The other side has sent something else.
        StreamEndedError: It has gone.
    """
    try:
        message = await wire.read()
    except DecodeError:
        message = None  # which is what gRPC makes of it on the side that has dialled
    if message is aio.EOF:
        raise StreamEndedError
    if not isinstance(message, pb.TrunkMessage):
        raise InvalidMessageError("message", "cannot be read")
    return message


async def dial_greeting(
    wire: Wire, identity: Identity, peer: str, position: Callable[[], Position]
) -> Position:
    """Greet as the side that dialled; where the other side is.

    Raises:
        PeerRefusedError: It is not the right node.
        InvalidMessageError: It does not greet.
        StreamEndedError: It has gone.
    """
    own = identity.hello()
    await wire.write(codec.hello_to_message(own))
    other = codec.hello_from_message(await _next(wire))
    check_hello(own, other)
    if other.node != peer:
        raise PeerRefusedError(other.node, f'is not "{peer}", whose address it has')
    proof = prove(identity.token, Side.DIALLER, own, other)
    await wire.write(codec.resume_to_message(proof, position()))
    given, theirs = codec.resume_from_message(await _next(wire))
    check_proof(given, identity.token, Side.LISTENER, own, other)
    return theirs


@dataclass(frozen=True, slots=True)
class Greeted:
    """A node that has proved who it is, and waits for the answer."""

    peer: str
    theirs: Position
    proof: bytes
    """This side's."""


async def listen_greeting(wire: Wire, identity: Identity) -> Greeted:
    """Greet as the side that was dialled, but for the last message.

    Raises:
        PeerRefusedError: It is not a node of this deployment's.
        InvalidMessageError: It does not greet.
        StreamEndedError: It has gone.
    """
    other = codec.hello_from_message(await _next(wire))
    own = identity.hello()
    check_hello(own, other)
    await wire.write(codec.hello_to_message(own))
    given, theirs = codec.resume_from_message(await _next(wire))
    check_proof(given, identity.token, Side.DIALLER, other, own)
    return Greeted(other.node, theirs, prove(identity.token, Side.LISTENER, other, own))


async def answer_greeting(wire: Wire, greeted: Greeted, position: Position) -> None:
    """Send the last message of the greeting."""
    await wire.write(codec.resume_to_message(greeted.proof, position))


async def converse(
    wire: Wire,
    session: Session,
    carrier: Carrier,
    outgoing: Outgoing,
    greeting: Awaitable[None] | None,
) -> None:
    """Carry batches both ways until the stream ends; returns only by an exception.

    Args:
        wire: The stream.
        session: The conversation, which has been resumed.
        carrier: Takes and gives batches.
        outgoing: Sends what the carrier gives.
        greeting: What is left of it to be said.

    Raises:
        StreamEndedError: It has ended.
        ProtocolError: The other node said what it may not.
        InvalidMessageError: The other node said what makes no sense.
    """
    try:
        if greeting is not None:
            await greeting
        outgoing.open()
        async with asyncio.TaskGroup() as both:
            both.create_task(_receive(wire, outgoing), name="trunk receive")
            both.create_task(outgoing.wait_failed(), name="trunk send")
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        outgoing.close()
        session.lost()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _receive(wire: Wire, outgoing: Outgoing) -> None:
    while True:
        outgoing.take(await _next(wire))
