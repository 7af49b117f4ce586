"""Guests with a share of a processor: what they get, and what becomes of them while they wait."""

from __future__ import annotations

import time

import pytest

from pod_node.engine.bandwidth import PERIOD_S
from pod_node.spec import ExitKind, Limits
from pod_node.usage import PodUsage
from tests.support import wasi
from tests.support.lab import Guest, Lab, declare, eventually
from tests.support.puppet import Puppet
from tests.support.wat import command_text

SPIN = command_text("(loop $l (br $l))")
CALLS = command_text("(loop $l (drop (call $sched_yield)) (br $l))", declare("sched_yield"))
"""Half of its time is the kernel's, where nobody is held up."""


def usage(guest: Guest) -> PodUsage:
    assert guest.pod is not None
    return guest.pod.usage()


def booted(pods: Lab, text: str, cpus: float | None) -> Guest:
    return pods.boot_text(text, limits=Limits(cpus=cpus))


async def throttled(guest: Guest, seconds: float, clock: Puppet) -> None:
    """Wait until a guest has waited for its share so long."""
    while usage(guest).throttled_s < seconds:
        await clock.poll(wasi.subscribe_clock(int(PERIOD_S * 1e9)))


@pytest.mark.slow
@pytest.mark.parametrize("text", [SPIN, CALLS], ids=["computes", "calls"])
async def test_a_guest_that_computes_gets_its_share(pods: Lab, text: str) -> None:
    cpus, clock, begin = 0.05, await pods.puppet(), time.monotonic()
    guest = booted(pods, text, cpus)
    await throttled(guest, 2, clock)
    now = usage(guest)
    assert now.cpu_time_s < 3 * cpus * (time.monotonic() - begin)
    assert now.cpu_time_s > cpus * now.throttled_s / 3


async def test_others_are_not_held_up(pods: Lab) -> None:
    clock = await pods.puppet()
    limited, free, generous = (booted(pods, SPIN, cpus) for cpus in (0.01, None, 2))
    await throttled(limited, 2 * PERIOD_S, clock)
    assert usage(free).throttled_s == usage(generous).throttled_s == 0
    assert usage(free).cpu_time_s > 0
    for guest in (free, generous, limited):
        assert (await guest.killed()).kind is ExitKind.KILLED


@pytest.fixture
async def starving(pods: Lab) -> Guest:
    """A guest that waits for its share longer than any test takes."""
    guest = booted(pods, SPIN, 1e-6)
    await eventually(lambda: usage(guest).throttled_s > 0)
    return guest


async def test_a_guest_that_waits_for_its_share_dies_at_once(starving: Guest) -> None:
    assert (await starving.killed()).kind is ExitKind.KILLED


async def test_a_guest_that_waits_for_its_share_is_paused_at_once(starving: Guest) -> None:
    pod = starving.pod
    assert pod is not None
    pod.pause()
    await eventually(lambda: pod.frozen)
    waited = usage(starving).throttled_s
    pod.resume()
    await eventually(lambda: usage(starving).throttled_s > waited)
    assert (await starving.killed()).kind is ExitKind.KILLED


async def test_a_guest_with_a_share_that_rests_is_not_held_up(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(cpus=0.9))
    for _ in range(50):
        await guest.grow(0)
    assert usage(guest.guest).throttled_s == 0
