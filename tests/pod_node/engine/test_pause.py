"""Guests that are stopped for a while: computing, blocked, on the way out of a call, and killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest

from pod_node.spec import ExitKind
from tests.support import wasi
from tests.support.lab import Guest, Lab, declare, eventually
from tests.support.nodes import TWICE
from tests.support.puppet import BUFFER, Puppet, WasiError
from tests.support.wasi import Errno
from tests.support.wat import Op, command_text

SCRATCH = BUFFER + 8192
SPIN = "(loop $l (br $l))"


def counter(steps: int) -> str:
    """A guest that computes `steps` steps, writes a byte, and so on."""
    return command_text(
        f"""(local $step i32)
        (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 1))
        (loop $count
          (local.set $step (i32.const {steps}))
          (loop $compute
            (br_if $compute (local.tee $step (i32.sub (local.get $step) (i32.const 1)))))
          (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
          (br $count))""",
        declare("fd_write"),
    )


async def paused(guest: Guest) -> None:
    """Stop a guest, and wait until it has come to rest and its output was taken."""
    pod = guest.pod
    assert pod is not None
    pod.pause()
    await eventually(lambda: pod.frozen)


def resume(guest: Guest) -> None:
    assert guest.pod is not None
    guest.pod.resume()


async def all_output(guest: Guest, neighbour: Puppet) -> int:
    """What a guest that does not run has written, when all of it has come."""
    length = -1
    while length != len(guest.output):
        length = len(guest.output)
        for _ in range(20):
            await neighbour.grow(0)
    return length


@pytest.mark.parametrize("steps", [1, 1000, 5_000_000])
async def test_a_counting_guest_stops_and_goes_on(pods: Lab, steps: int) -> None:
    neighbour = await pods.puppet()
    guest = pods.boot_text(counter(steps))
    for _ in range(3):
        guest.output.clear()
        await guest.until(lambda one: len(one.output) > 3)
        await paused(guest)
        written = await all_output(guest, neighbour)
        others = pods.boot_text(counter(steps))
        await others.until(lambda one: len(one.output) > 10)
        await others.killed()
        assert len(guest.output) == written
        resume(guest)
    assert (await guest.killed()).kind is ExitKind.KILLED


async def test_a_guest_that_only_computes_stops_and_goes_on(pods: Lab) -> None:
    guest = pods.boot_text(command_text(SPIN))
    for _ in range(20):
        await paused(guest)
        resume(guest)
        assert guest.pod is not None
        assert not guest.pod.frozen
    assert (await guest.killed()).kind is ExitKind.KILLED


async def test_time_passes_for_one_that_sleeps(pods: Lab) -> None:
    guest, other = await pods.puppet(), await pods.puppet()
    at = guest.poke(BUFFER, wasi.subscribe_clock(50_000_000))
    guest.start("poll_oneoff", at, at + 64, 1, SCRATCH)
    await paused(guest.guest)
    await other.poll(wasi.subscribe_clock(100_000_000))
    resume(guest.guest)
    assert await guest.answer() == Errno.SUCCESS, "its sleep was over while it was stopped"


@TWICE
async def test_what_peers_send_waits_for_a_guest_that_is_paused_in_a_read(pods: Lab) -> None:
    guest, peer = await pods.puppet(), await pods.puppet()
    listener = await guest.listen()
    _, port = await guest.local(listener)
    near = await peer.connect(guest.guest.address, port)
    far = await guest.accept(listener)
    guest.start("fd_read", far, *guest.buffers(10), SCRATCH)
    await paused(guest.guest)
    await peer.set_nonblocking(near)
    sent = 0
    while (error := await peer.try_write(near, bytes(32_768))) is Errno.SUCCESS:
        sent += 32_768
    assert error is Errno.AGAIN, "its buffers are full"
    assert sent >= 65_536
    late = await peer.connect(guest.guest.address, port)
    assert (await peer.remote(late)) == (guest.guest.address, port), "backlogs take connections"
    resume(guest.guest)
    assert await guest.answer() == Errno.SUCCESS
    assert len(await guest.read_exactly(far, sent - 10)) == sent - 10
    assert await guest.accept(listener)


async def test_a_guest_that_is_paused_in_a_write_sends_no_more(pods: Lab) -> None:
    guest, peer = await pods.puppet(), await pods.puppet()
    listener = await peer.listen()
    _, port = await peer.local(listener)
    near = await guest.connect(peer.guest.address, port)
    far = await peer.accept(
        listener,
    )
    await guest.grow(200)
    guest.start("fd_write", near, *guest.buffers(8 << 20), SCRATCH)
    await peer.read_exactly(far, 1000)
    await paused(guest.guest)
    await peer.set_nonblocking(far)
    rest = 1000
    with suppress(WasiError):
        while True:
            rest += len(await peer.read(far, 32_768))
    assert await peer.try_read(far) is Errno.AGAIN
    assert rest < 8 << 20, "the rest was not sent"
    await peer.set_nonblocking(far, on=False)
    resume(guest.guest)
    assert len(await peer.read_exactly(far, 65_536)) == 65_536


async def listening(guest: Puppet) -> None:
    guest.start("sock_accept", await guest.listen(), 0, SCRATCH)


async def reading(guest: Puppet) -> None:
    pair = await guest.open_net("tcp/pair")
    guest.start("fd_read", pair, *guest.buffers(10), SCRATCH)


async def sleeping(guest: Puppet) -> None:
    at = guest.poke(BUFFER, wasi.subscribe_clock(3600 * 10**9))
    guest.start("poll_oneoff", at, at + 64, 1, SCRATCH)


async def connecting(guest: Puppet) -> None:
    listener = await guest.open_net("tcp/socket")
    number = await guest.socket_id(listener)
    await guest.control_command(f"bind {number} 127.0.0.1 7")
    await guest.control_command(f"listen {number} 1")
    await guest.connect("127.0.0.1", 7)
    path = guest.path("tcp/connect/127.0.0.1/7")
    guest.start("path_open", guest.net, 0, *path, 0, 0, 0, 0, SCRATCH)


async def flooding(guest: Puppet) -> None:
    for _ in range(40):
        guest.start("fd_write", 1, *guest.buffers(32_768), SCRATCH)


async def computing(guest: Puppet) -> None:
    guest.tell(Op.SPIN)


DOING = (listening, reading, sleeping, connecting, flooding, computing)


@pytest.mark.parametrize("begin", DOING)
async def test_a_paused_guest_can_be_killed(
    pods: Lab, begin: Callable[[Puppet], Awaitable[None]]
) -> None:
    guest = await pods.puppet()
    await begin(guest)
    await paused(guest.guest)
    assert (await guest.kill()).kind is ExitKind.KILLED
    assert guest.guest.pod is not None
    assert not guest.guest.pod.frozen
    guest.guest.pod.pause()
    guest.guest.pod.resume()


@pytest.mark.parametrize("begin", DOING)
async def test_storms_of_pauses_do_no_harm(
    pods: Lab, begin: Callable[[Puppet], Awaitable[None]]
) -> None:
    guests = [await pods.puppet() for _ in range(3)]
    neighbour, chance = await pods.puppet(), Random(7)
    for guest in guests:
        await begin(guest)
    for _ in range(300):
        pod = chance.choice(guests).guest.pod
        assert pod is not None
        chance.choice((pod.pause, pod.resume))()
        if chance.random() < 0.1:
            await neighbour.grow(0)
    assert [(await guest.kill()).kind for guest in guests] == [ExitKind.KILLED] * 3


async def test_guests_are_paused_as_soon_as_they_are_booted(pods: Lab) -> None:
    """Their threads may not have begun to watch for it."""
    neighbour = await pods.puppet()
    for _ in range(20):
        guest = pods.boot_text(counter(1))
        await paused(guest)
        written = await all_output(guest, neighbour)
        await neighbour.poll(wasi.subscribe_clock(1_000_000))
        assert len(guest.output) == written
        resume(guest)
        await guest.until(lambda one: len(one.output) > 3)
        await guest.killed()


async def test_a_guest_is_killed_in_the_turn_in_which_it_was_paused(pods: Lab) -> None:
    for steps in (1, 5_000_000):
        guests = [pods.boot_text(counter(steps)) for _ in range(10)]
        for guest in guests:
            assert guest.pod is not None
            guest.pod.pause()
            guest.kill()
            guest.pod.pause()
        assert {(await guest.end()).kind for guest in guests} == {ExitKind.KILLED}


async def test_closing_the_runtime_ends_paused_guests(pods: Lab) -> None:
    guests = [pods.boot_text(counter(steps)) for steps in (1, 5_000_000)]
    for guest in guests:
        await paused(guest)
    await pods.runtime.close()
    assert all(guest.exit is not None for guest in guests)
