"""How long calls on sockets wait: SO_RCVTIMEO and SO_SNDTIMEO, and room that comes back."""

from __future__ import annotations

import struct

import pytest

from pod_node.spec import Limits
from tests.support import wasi
from tests.support.lab import Lab, eventually
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, Subscription

SCRATCH = BUFFER + 8192
SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW = 1, 20, 21, 66, 67
SHORT_MS = 5


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


async def set_timeout(guest: Puppet, fd: int, option: str, milliseconds: int = SHORT_MS) -> None:
    ident = (await guest.filestat(fd)).inode
    await guest.control_command(f"set {ident} {option} {milliseconds}")


async def pair(guest: Puppet) -> tuple[int, int]:
    first = await guest.open_net("tcp/pair")
    return first, await guest.open_net(f"tcp/pair/{await guest.socket_id(first)}")


@pytest.mark.parametrize("name", [SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW])
async def test_a_timeout_is_a_timeval_of_either_size(guest: Puppet, name: int) -> None:
    fd = await guest.open_net("tcp/socket")
    word = "rcvtimeo" if name in (SO_RCVTIMEO, SO_RCVTIMEO_NEW) else "sndtimeo"
    ident = await guest.socket_id(fd)
    for form in ("<qq", "<ii"):
        size = struct.calcsize(form)
        for value, shown in (((7, 250_000), "7250"), ((0, 1), "1"), ((0, 0), "0")):
            guest.poke(SCRATCH, struct.pack(form, *value))
            await guest.checked("sock_setsockopt", fd, SOL_SOCKET, name, SCRATCH, size)
            assert await guest.control_command(f"get {ident} {word}") == shown
            guest.poke(SCRATCH, struct.pack("<qqI", 9, 9, size))
            await guest.checked("sock_getsockopt", fd, SOL_SOCKET, name, SCRATCH, SCRATCH + 16)
            assert await guest.peek(SCRATCH, size) == struct.pack(form, *value)
            assert await guest.peek_u32(SCRATCH + 16) == size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (struct.pack("<qq", 1, 1_000_000), Errno.DOM),
        (struct.pack("<qq", 1, -1), Errno.DOM),
        (struct.pack("<i", 1), Errno.INVAL),
        (struct.pack("<qq", -1, 0), Errno.SUCCESS),
        (struct.pack("<qq", (1 << 63) - 1, 0), Errno.SUCCESS),
    ],
)
async def test_what_is_no_time_is_refused(guest: Puppet, value: bytes, expected: Errno) -> None:
    fd = await guest.open_net("tcp/socket")
    guest.poke(SCRATCH, value)
    set_ = await guest.call("sock_setsockopt", fd, SOL_SOCKET, SO_RCVTIMEO, SCRATCH, len(value))
    assert set_ is expected
    away = await guest.call("sock_setsockopt", fd, SOL_SOCKET, SO_RCVTIMEO, 0xFFFFFFF0, 16)
    assert away is Errno.FAULT
    guest.poke(SCRATCH, struct.pack("<I", 4))
    small = await guest.call("sock_getsockopt", fd, SOL_SOCKET, SO_RCVTIMEO, 64, SCRATCH)
    assert small is Errno.INVAL


async def test_reading_ends_when_its_time_is_over(guest: Puppet) -> None:
    first, second = await pair(guest)
    await set_timeout(guest, first, "rcvtimeo")
    assert await guest.try_read(first) is Errno.AGAIN
    await guest.write(second, b"in time")
    assert await guest.read(first) == b"in time"
    assert await guest.try_read(first) is Errno.AGAIN
    await set_timeout(guest, first, "rcvtimeo", 0)
    guest.start("fd_read", first, *guest.buffers(4), SCRATCH)
    assert guest.guest.pod is not None
    guest.guest.pod.pause()
    await eventually(lambda: guest.guest.pod and guest.guest.pod.frozen)
    await guest.kill()


async def test_a_part_is_what_a_call_returns_when_its_time_is_over(guest: Puppet) -> None:
    first, second = await pair(guest)
    await set_timeout(guest, first, "rcvtimeo")
    await guest.write(second, b"part")
    buffers = guest.buffers(100)
    await guest.checked("sock_recv", first, *buffers, wasi.WAITALL, SCRATCH, SCRATCH + 8)
    assert await guest.peek_u32(SCRATCH) == 4


async def test_writing_ends_when_its_time_is_over(guest: Puppet) -> None:
    first, _ = await pair(guest)
    await set_timeout(guest, first, "sndtimeo")
    moved = 0
    while (error := await guest.try_write(first, bytes(32_768))) is Errno.SUCCESS:
        moved += 32_768
    assert error is Errno.AGAIN
    assert moved >= 65_536


async def test_accepting_ends_when_its_time_is_over(guest: Puppet) -> None:
    listener = await guest.listen()
    await set_timeout(guest, listener, "rcvtimeo")
    assert await guest.call("sock_accept", listener, 0, SCRATCH) is Errno.AGAIN
    _, port = await guest.local(listener)
    near = await guest.connect("127.0.0.1", port)
    far = await guest.accept(listener)
    assert await guest.try_read(far) is Errno.AGAIN, "what is accepted has the listener's"
    await guest.write(near, b"x")


async def test_connecting_ends_when_its_time_is_over_and_goes_on(guest: Puppet) -> None:
    listener = await guest.open_net("tcp/socket")
    ident = await guest.socket_id(listener)
    await guest.control_command(f"bind {ident} 127.0.0.1 7")
    await guest.control_command(f"listen {ident} 1")
    await guest.connect("127.0.0.1", 7)
    waiting = await guest.open_net("tcp/socket")
    await set_timeout(guest, waiting, "sndtimeo")
    again = f"connect {await guest.socket_id(waiting)} 127.0.0.1 7"
    assert await guest.try_command(again) is Errno.INPROGRESS
    assert await guest.try_command(again) is Errno.ALREADY
    await guest.accept(listener)
    assert await guest.try_command(again) is Errno.ISCONN


async def test_a_datagram_is_waited_for_no_longer_than_that(guest: Puppet) -> None:
    fd = await guest.open_net("udp/bind/127.0.0.1/0")
    await set_timeout(guest, fd, "rcvtimeo")
    assert await guest.try_read(fd) is Errno.AGAIN


async def crowded(pods: Lab) -> tuple[Puppet, Puppet, int, int]:
    """A server with memory for a file description but no socket, a client that could give some
    back, and the client's descriptors: of that connection, and of one that waits to get in."""
    server, client = await pods.puppet(limits=Limits(fabric_bytes=256 << 10)), await pods.puppet()
    listener = await server.listen(80)
    near = await client.connect(server.guest.address, 80)
    far = await server.accept(listener)
    await server.set_nonblocking(far)
    while not await server.try_write(far, bytes(4096)):
        pass
    spare = await server.open_net("")
    for path in ("tcp/socket", ""):
        while not await server.try_open_net(path):
            pass
    await server.close(spare)
    waiting = await client.connect(server.guest.address, 80, FdFlag.NONBLOCK)
    clock = wasi.subscribe_clock(0, userdata=1)
    writing = wasi.subscribe_fd(Subscription.WRITE, waiting, 2)
    assert [event.userdata for event in await client.poll(clock, writing)] == [1]
    assert listener == 6
    return server, client, near, waiting


async def give_back(client: Puppet, near: int) -> None:
    """Read all that the server has sent, and wait for more: the stream's buffer is freed."""
    await client.set_nonblocking(near)
    while await client.try_read(near, 32_768) is Errno.SUCCESS:
        pass
    await client.poll(wasi.subscribe_fd(Subscription.READ, near), wasi.subscribe_clock(1_000_000))


async def test_an_accept_that_lacked_room_goes_on_when_there_is_some(pods: Lab) -> None:
    server, client, near, waiting = await crowded(pods)
    server.start("sock_accept", 6, 0, SCRATCH)
    await give_back(client, near)
    assert await server.answer() == Errno.SUCCESS
    await client.poll(wasi.subscribe_fd(Subscription.WRITE, waiting))


async def test_a_listener_that_lacked_room_is_ready_when_there_is_some(pods: Lab) -> None:
    server, client, near, waiting = await crowded(pods)
    at = server.poke(BUFFER, wasi.subscribe_fd(Subscription.READ, 6))
    server.start("poll_oneoff", at, at + 64, 1, SCRATCH)
    await give_back(client, near)
    assert await server.answer() == Errno.SUCCESS
    assert await server.call("sock_accept", 6, 0, SCRATCH) is Errno.SUCCESS
    await client.poll(wasi.subscribe_fd(Subscription.WRITE, waiting))


async def test_who_waits_for_room_hears_of_those_who_come_when_there_is_some(pods: Lab) -> None:
    """Whoever lacked room has gone; the next one finds some, and the acceptor."""
    server, client, near, waiting = await crowded(pods)
    server.start("sock_accept", 6, 0, SCRATCH)
    await client.close(waiting)
    await give_back(client, near)
    await client.connect(server.guest.address, 80)
    assert await server.answer() == Errno.SUCCESS
