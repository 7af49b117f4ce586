"""A connection to a pod that is carried over a call, on the side that asked for it."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import grpc
from grpc import aio

from orchestrator.codec.conversing import CallOverError, Conversation
from pod_node.dialling import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.errors import OrchestratorError


class _Received(Protocol):
    @property
    def payload(self) -> bytes: ...


RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT", bound=_Received)


class CarriedConnection(Generic[RequestT, ResponseT]):
    """One connection; what breaks it comes as an `OSError`, as from a socket."""

    def __init__(
        self,
        call: aio.StreamStreamCall[RequestT, ResponseT],
        wrap: Callable[[bytes], RequestT],
        refused: Callable[[str], OrchestratorError],
        lost: Callable[[str], OrchestratorError],
    ) -> None:
        """Take over a call to which nothing was said yet.

        Args:
            call: The call.
            wrap: Writes what is sent.
            refused: Makes the error of a pod that does not take the connection.
            lost: Makes the error of a process that does not answer.
        """
        self._conversation = Conversation(call)
        self._wrap = wrap
        self._refused, self._lost = refused, lost
        self._ended = False

    async def open(self, target: RequestT) -> ResponseT:
        """Say whom to connect to, and wait until the connection is there.

        Raises:
            OrchestratorError: it cannot be.
        """
        with suppress(CallOverError):
            await self._conversation.say(target)
        try:
            message = await self._conversation.hear()
        except aio.AioRpcError as error:
            raise self._refusal(error) from error
        if message is None:
            raise self._lost("the call ended without an answer")
        return message

    async def receive(self) -> bytes:
        """Wait for bytes; none once the peer sends no more."""
        if self._ended:
            return b""
        try:
            message = await self._conversation.hear()
        except aio.AioRpcError as error:
            raise ConnectionResetError(errno.ECONNRESET, error.details() or "reset") from error
        if message is not None and message.payload:
            return message.payload
        self._ended = True
        return b""

    async def send(self, data: bytes) -> None:
        """Send, waiting as long as the peer does not take it."""
        for start in range(0, len(data), CHUNK_BYTES):
            try:
                await self._conversation.say(self._wrap(data[start : start + CHUNK_BYTES]))
            except CallOverError as error:
                raise BrokenPipeError(errno.EPIPE, "the connection is gone") from error

    async def end(self) -> None:
        """Send no more; receiving goes on."""
        try:
            await self._conversation.say_no_more()
        except CallOverError as error:
            raise BrokenPipeError(errno.EPIPE, "the connection is gone") from error

    def abort(self) -> None:
        """Break it off; one whose sides have both ended is past that."""
        self._conversation.break_off()

    def _refusal(self, error: aio.AioRpcError) -> OrchestratorError:
        reason = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return self._lost(reason)
        return self._refused(reason)
