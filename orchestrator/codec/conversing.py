"""Calls in which both sides go on talking, on the side that began them.

Owns how such a call is read and written, and that its end keeps its reason: gRPC's asyncio client
puts an error of its own in the place of what the other side said when that comes while something
is being said to it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc
from grpc import aio

from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
T = TypeVar("T")

LAST_WORDS_S = 1.0
"""How long the other side's reason may take to come, once all else was heard."""
LOOK_S = 0.001
_LOST_WORDS = (grpc.StatusCode.INTERNAL, "Internal error from Core")
"""What gRPC says when something could not be said, because the call is over."""


class CallOverError(Exception):
    """Nothing more can be said; whoever listens hears why."""


class Conversation(Generic[RequestT, ResponseT]):
    """One call."""

    def __init__(self, call: aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        """Take over a call to which nothing was said yet."""
        self._call = call
        # Not by `read`: when something could not be said, that gives up what was not heard yet,
        # and the end comes after it.
        self._heard = aiter(call)
        self._end: tuple[grpc.StatusCode, str] | None = None
        call.add_done_callback(self._note_end)

    def _note_end(self, call: aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        """Take note of how the call ended, before something else takes its place."""
        end = _now(call.code()), _now(call.details())
        if end != _LOST_WORDS:
            self._end = end

    async def say(self, message: RequestT) -> None:
        """Say something, waiting as long as the other side does not take it.

        Raises:
            CallOverError: the call is over.
        """
        try:
            await self._call.write(message)
        except (aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise CallOverError from error

    async def say_no_more(self) -> None:
        """End this side; the other one goes on.

        Raises:
            CallOverError: the call is over.
        """
        try:
            await self._call.done_writing()
        except (aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise CallOverError from error

    async def hear(self) -> ResponseT | None:
        """Wait for what is said; None when the other side has ended well.

        Raises:
            AioRpcError: it has not, and said why.
        """
        try:
            return await anext(self._heard, None)
        except aio.AioRpcError as error:
            code, details = await self._reason(error)
            if code is grpc.StatusCode.OK:
                return None
            none = aio.Metadata()
            raise aio.AioRpcError(code, none, none, details=details) from error

    def break_off(self) -> None:
        """End the call; one that is over does not mind."""
        self._call.cancel()

    async def _reason(self, error: aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
        """Say how the other side ended, once all else was heard."""
        end = self._end or (error.code(), error.details() or "")
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                while end == _LOST_WORDS:
                    await asyncio.sleep(LOOK_S)  # gRPC tells nobody when it comes
                    end = await self._call.code(), await self._call.details()
        return end


async def converse(
    call: aio.StreamStreamCall[RequestT, ResponseT],
    messages: AsyncIterable[RequestT],
) -> AsyncGenerator[ResponseT, None]:
    """Say one thing after the other, and yield what is answered, until the other side ends.

    Raises:
        AioRpcError: the call failed.
    """
    tasks = TaskOwner()
    conversation = Conversation(call)
    try:
        tasks.spawn(_say(conversation, aiter(messages)), "what is said in a call")
        while (message := await conversation.hear()) is not None:
            yield message
    finally:
        tasks.cancel()
        conversation.break_off()


async def _say(
    conversation: Conversation[RequestT, ResponseT], messages: AsyncIterator[RequestT]
) -> None:
    with suppress(CallOverError):
        async for message in messages:
            await conversation.say(message)
        await conversation.say_no_more()


def _now(answer: Coroutine[None, None, T]) -> T:
    """Give what a call knows already, where nothing can be waited for."""
    try:
        answer.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("a call that is over knows how it ended")
