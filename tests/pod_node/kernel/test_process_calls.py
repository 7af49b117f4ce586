"""Arguments, environment, clocks, random bytes, yielding and polling."""

from __future__ import annotations

import time

import pytest

from pod_node.spec import ExitKind
from tests.support import wasi
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Clock, Errno, FdFlag, Subscription

SCRATCH = BUFFER + 8192
MILLISECOND = 1_000_000


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


async def strings(guest: Puppet, what: str) -> list[str]:
    await guest.checked(f"{what}_sizes_get", SCRATCH, SCRATCH + 4)
    count, size = await guest.peek_u32(SCRATCH), await guest.peek_u32(SCRATCH + 4)
    await guest.checked(f"{what}_get", SCRATCH, BUFFER)
    packed = (await guest.peek(BUFFER, size)).split(b"\0")
    assert packed.pop() == b""
    assert len(packed) == count
    return [one.decode() for one in packed]


async def test_arguments_and_environment_arrive(pods: Lab) -> None:
    guest = await pods.puppet(
        environment=(("NAME", "wert=mit=gleich"), ("EMPTY", ""), ("SNOW", "☃")), working_dir="/app"
    )
    assert len(await strings(guest, "args")) == 1
    variables = await strings(guest, "environ")
    assert variables == ["NAME=wert=mit=gleich", "EMPTY=", "SNOW=☃", "PWD=/app"]


async def test_the_working_folder_wins_over_a_variable_of_its_name(pods: Lab) -> None:
    guest = await pods.puppet(environment=(("PWD", "/elsewhere"),), working_dir="/app")
    assert await strings(guest, "environ") == ["PWD=/app"]


async def test_the_real_time_clock_is_the_hosts(guest: Puppet) -> None:
    before = time.time_ns()
    await guest.checked("clock_time_get", Clock.REALTIME, 0, SCRATCH)
    assert before <= int.from_bytes(await guest.peek(SCRATCH, 8), "little") <= time.time_ns()


async def test_the_monotonic_clock_does_not_go_back(guest: Puppet) -> None:
    last = 0
    for _ in range(20):
        await guest.checked("clock_time_get", Clock.MONOTONIC, 0, SCRATCH)
        now = int.from_bytes(await guest.peek(SCRATCH, 8), "little")
        assert now >= last
        last = now


@pytest.mark.parametrize("clock", [Clock.PROCESS_CPUTIME, Clock.THREAD_CPUTIME, 4, 0xFFFFFFFF])
async def test_other_clocks_are_invalid(guest: Puppet, clock: int) -> None:
    assert await guest.call("clock_time_get", clock, 0, SCRATCH) is Errno.INVAL
    assert await guest.call("clock_res_get", clock, SCRATCH) is not Errno.SUCCESS


async def test_clocks_have_a_resolution(guest: Puppet) -> None:
    for clock in (Clock.REALTIME, Clock.MONOTONIC):
        await guest.checked("clock_res_get", clock, SCRATCH)
        assert 0 < int.from_bytes(await guest.peek(SCRATCH, 8), "little") <= 10**9


async def test_reading_the_clock_leaves_the_guests_memory_alone(guest: Puppet) -> None:
    guest.poke(16, b"precious")
    await guest.checked("clock_time_get", Clock.MONOTONIC, 0, SCRATCH)
    await strings(guest, "args")
    assert await guest.peek(16, 8) == b"precious"


async def test_random_bytes_differ(guest: Puppet) -> None:
    await guest.checked("random_get", BUFFER, 32)
    first = await guest.peek(BUFFER, 32)
    await guest.checked("random_get", BUFFER, 32)
    assert first != await guest.peek(BUFFER, 32) != bytes(32)
    await guest.checked("random_get", BUFFER, 0)


async def test_yielding_succeeds_and_a_signal_that_is_raised_ends_the_guest(guest: Puppet) -> None:
    await guest.checked("sched_yield")
    assert await guest.call("proc_raise", 0) is Errno.SUCCESS
    assert await guest.call("proc_raise", 99) is Errno.INVAL
    guest.start("proc_raise", 6)
    end = await guest.end()
    assert (end.kind, end.status) == (ExitKind.KILLED, 134)


async def test_poll_wants_subscriptions_of_known_kinds(guest: Puppet) -> None:
    assert await guest.call("poll_oneoff", BUFFER, SCRATCH, 0, SCRATCH) is Errno.INVAL
    guest.poke(BUFFER, bytes(8) + b"\x07" + bytes(39))
    assert await guest.call("poll_oneoff", BUFFER, SCRATCH, 1, SCRATCH) is Errno.INVAL
    assert await guest.call("poll_oneoff", 0, 0, 0xFFFFFFFF, SCRATCH) in (
        Errno.INVAL,
        Errno.FAULT,
    )


async def test_a_relative_clock_ends_a_poll(guest: Puppet) -> None:
    before = time.monotonic_ns()
    (event,) = await guest.poll(wasi.subscribe_clock(20 * MILLISECOND, userdata=42))
    assert time.monotonic_ns() - before >= 20 * MILLISECOND
    assert (event.userdata, event.kind, event.error) == (42, Subscription.CLOCK, Errno.SUCCESS)


@pytest.mark.parametrize("clock", [Clock.REALTIME, Clock.MONOTONIC])
async def test_an_absolute_clock_ends_a_poll(guest: Puppet, clock: Clock) -> None:
    await guest.checked("clock_time_get", clock, 0, SCRATCH)
    now = int.from_bytes(await guest.peek(SCRATCH, 8), "little")
    for deadline in (now - MILLISECOND, 0, now + 10 * MILLISECOND):
        (event,) = await guest.poll(
            wasi.subscribe_clock(deadline, clock, userdata=1, flags=wasi.ABSTIME)
        )
        assert event.kind is Subscription.CLOCK
    await guest.checked("clock_time_get", clock, 0, SCRATCH)
    assert int.from_bytes(await guest.peek(SCRATCH, 8), "little") >= now + 10 * MILLISECOND


async def test_the_earliest_of_many_clocks_ends_a_poll(guest: Puppet) -> None:
    never = (1 << 64) - 1
    events = await guest.poll(
        wasi.subscribe_clock(never, userdata=1),
        wasi.subscribe_clock(MILLISECOND, userdata=2),
        wasi.subscribe_clock(3600 * 10**9, userdata=3),
    )
    assert [event.userdata for event in events] == [2]


async def test_an_unknown_clock_in_a_poll_is_an_event_with_an_error(guest: Puppet) -> None:
    (event,) = await guest.poll(wasi.subscribe_clock(0, 9, userdata=5))
    assert (event.userdata, event.error) == (5, Errno.INVAL)


async def test_a_bad_descriptor_in_a_poll_is_an_event_with_an_error(guest: Puppet) -> None:
    (event,) = await guest.poll(wasi.subscribe_fd(Subscription.READ, 77, 5))
    assert (event.userdata, event.error) == (5, Errno.BADF)


async def test_a_poll_mixes_kinds(guest: Puppet) -> None:
    listener = await guest.listen()
    _, port = await guest.local(listener)
    client = await guest.connect("127.0.0.1", port)
    server = await guest.accept(listener)
    await guest.write(client, b"hello")
    events = await guest.poll(
        wasi.subscribe_fd(Subscription.READ, server, 1),
        wasi.subscribe_fd(Subscription.WRITE, server, 2),
        wasi.subscribe_fd(Subscription.READ, client, 3),
        wasi.subscribe_fd(Subscription.READ, listener, 4),
        wasi.subscribe_fd(Subscription.WRITE, 1, 5),
        wasi.subscribe_fd(Subscription.READ, 0, 6),
        wasi.subscribe_clock(3600 * 10**9, userdata=7),
    )
    ready = {event.userdata: event for event in events}
    assert set(ready) == {1, 2, 5, 6}
    assert ready[1].available == 5
    assert not ready[1].hangup
    assert ready[6].hangup


async def test_a_poll_wakes_when_bytes_come(pods: Lab, guest: Puppet) -> None:
    other = await pods.puppet()
    listener = await guest.listen()
    _, port = await guest.local(listener)
    client = await other.connect(guest.guest.address, port)
    server = await guest.accept(listener)
    at = guest.poke(BUFFER, wasi.subscribe_fd(Subscription.READ, server, 9))
    guest.start("poll_oneoff", at, at + 48, 1, SCRATCH)
    await other.write(client, b"wake up")
    assert await guest.answer() == 0
    (event,) = wasi.read_events(await guest.peek(at + 48, wasi.EVENT_SIZE))
    assert (event.userdata, event.available) == (9, 7)


async def test_a_poll_of_many_descriptors_finds_the_ready_one(guest: Puppet) -> None:
    listener = await guest.listen()
    _, port = await guest.local(listener)
    subscriptions, clients = [], []
    for number in range(40):
        clients.append(await guest.connect("127.0.0.1", port))
        server = await guest.accept(listener)
        subscriptions.append(wasi.subscribe_fd(Subscription.READ, server, number))
    await guest.write(clients[33], b"!")
    assert [event.userdata for event in await guest.poll(*subscriptions)] == [33]
    await guest.close(clients[12])
    assert {event.userdata for event in await guest.poll(*subscriptions)} == {12, 33}


async def test_writability_follows_the_room_in_the_stream(guest: Puppet) -> None:
    first = await guest.open_net("tcp/pair", FdFlag.NONBLOCK)
    second = await guest.open_net(f"tcp/pair/{await guest.socket_id(first)}")
    while not (await guest.try_write(first, bytes(60_000))):
        pass
    clock = wasi.subscribe_clock(0, userdata=1)
    writing = wasi.subscribe_fd(Subscription.WRITE, first, 2)
    assert [event.userdata for event in await guest.poll(clock, writing)] == [1]
    await guest.set_nonblocking(second)
    while not await guest.try_read(second, 60_000):
        pass
    assert {event.userdata for event in await guest.poll(clock, writing)} == {1, 2}
