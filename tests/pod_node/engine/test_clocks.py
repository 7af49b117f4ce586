"""The monotonic clock that all guests of a node share with it."""

from __future__ import annotations

import time

from tests.support.lab import Lab
from tests.support.puppet import Puppet
from tests.support.wasi import Clock
from tests.support.wat import FREE_MEMORY

TOLERANCE_NS = 10**9
"""The clocks agree to microseconds unless the machine is very busy; a clock of a guest's own would
be off by all the time since the system started."""


async def monotonic(guest: Puppet) -> int:
    await guest.checked("clock_time_get", Clock.MONOTONIC, 0, FREE_MEMORY)
    return int.from_bytes(await guest.peek(FREE_MEMORY, 8), "little")


async def test_guests_and_the_node_read_one_monotonic_clock(pods: Lab) -> None:
    guests = [await pods.puppet() for _ in range(3)]
    for guest in [*guests, *reversed(guests)]:
        before = time.monotonic_ns()
        reading = await monotonic(guest)
        assert before - TOLERANCE_NS < reading < time.monotonic_ns() + TOLERANCE_NS
