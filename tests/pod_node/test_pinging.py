from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from pod_node.errors import PodNotRunningError
from pod_node.pinging import ping
from vnet.ping import EchoOutcome, EchoResult, NumberedEcho, PingPlan

HERE, THERE = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


@dataclass
class Answers:
    """Answers each request when a test says so."""

    asked: list[int] = field(default_factory=list)
    open: dict[int, asyncio.Future[EchoResult]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        assert (source, target, payload_bytes, timeout_s) == (HERE, THERE, 10, 2.0)
        self.asked.append(sequence)
        self.open[sequence] = asyncio.get_running_loop().create_future()
        self.changed.set()
        try:
            return await self.open[sequence]
        finally:
            del self.open[sequence]

    def answer(self, sequence: int, rtt_ns: int) -> None:
        self.open[sequence].set_result(EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=rtt_ns))

    async def until(self, count: int) -> None:
        while len(self.asked) < count:
            self.changed.clear()
            await self.changed.wait()


async def take(echoes: AsyncGenerator[NumberedEcho, None]) -> NumberedEcho:
    return await anext(echoes)


def plan(count: int) -> PingPlan:
    return PingPlan(count=count, interval_s=0.001, payload_bytes=10, timeout_s=2.0)


async def test_a_late_answer_does_not_keep_the_next_request_waiting() -> None:
    answers = Answers()
    async with aclosing(ping(answers, HERE, THERE, plan(3))) as echoes:
        first = asyncio.get_running_loop().create_task(take(echoes))
        await answers.until(3)
        for sequence in (2, 3, 1):
            answers.answer(sequence, sequence * 100)
        found = [await first, *[echo async for echo in echoes]]
    assert [(echo.sequence, echo.result.rtt_ns) for echo in found] == [(2, 200), (3, 300), (1, 100)]
    assert answers.asked == [1, 2, 3]


async def test_who_stops_listening_stops_the_requests() -> None:
    answers = Answers()
    async with aclosing(ping(answers, HERE, THERE, plan(0))) as echoes:
        first = asyncio.get_running_loop().create_task(take(echoes))
        await answers.until(1)
        answers.answer(1, 5)
        await first
    assert answers.open == {}


async def test_what_the_runtime_cannot_ask_ends_it_with_the_reason() -> None:
    class Refusing(Answers):
        async def ping(self, *_: object, **__: object) -> EchoResult:
            raise PodNotRunningError("web-1", "exited")

    with pytest.raises(PodNotRunningError, match="web-1 is exited"):
        await anext(ping(Refusing(), HERE, THERE, plan(2)))
