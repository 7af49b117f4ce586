"""Ping: echo requests at even intervals, whether or not the ones before were answered.

Owns the timing and the order of what is reported, as ping(8) has them. One request and its answer
are the runtime's business.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Protocol

from pod_node.errors import PodNodeError
from vnet.ping import EchoResult, NumberedEcho, PingPlan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from ipaddress import IPv4Address


class Pinger(Protocol):
    """Sends single requests; the part of a runtime that ping needs."""

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        """Send one request and wait for what becomes of it."""


async def ping(
    pinger: Pinger, source: IPv4Address, target: IPv4Address, plan: PingPlan
) -> AsyncGenerator[NumberedEcho, None]:
    """Ask `plan.count` times, or until told to stop, and report each result as it is known.

    Raises:
        PodNodeError: the runtime cannot ask.
    """
    results: asyncio.Queue[NumberedEcho | PodNodeError | None] = asyncio.Queue()

    async def ask(sequence: int) -> None:
        try:
            result = await pinger.ping(
                source,
                target,
                sequence=sequence,
                payload_bytes=plan.payload_bytes,
                timeout_s=plan.timeout_s,
            )
        except PodNodeError as error:
            results.put_nowait(error)
        else:
            results.put_nowait(NumberedEcho(sequence=sequence, result=result))

    async def ask_all() -> None:
        async with asyncio.TaskGroup() as group:
            for sequence in itertools.count(1):
                group.create_task(ask(sequence), name=f"echo {sequence}")
                if sequence == plan.count:
                    break
                await asyncio.sleep(plan.interval_s)
        results.put_nowait(None)

    asking = asyncio.get_running_loop().create_task(ask_all(), name=f"ping {target}")
    try:
        while (result := await results.get()) is not None:
            if isinstance(result, PodNodeError):
                raise result
            yield result
    finally:
        asking.cancel()
        await asyncio.wait([asking])
