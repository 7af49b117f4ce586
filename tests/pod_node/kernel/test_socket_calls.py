"""The socket calls for compiled guests: WASI's four, and WasmEdge's by their names and layouts."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from tests.support import wasi
from tests.support.lab import Lab
from tests.support.nodes import TWICE
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag

SCRATCH = BUFFER + 8192
ADDRESS, BYTES = SCRATCH + 256, SCRATCH + 512
INET4, STREAM = 1, 2
SOL_SOCKET, IPPROTO_TCP = 1, 6


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


def address(guest: Puppet, text: str, *, mapped: bool = False) -> int:
    """Put a WasmEdge address into memory."""
    packed = IPv4Address(text).packed
    if mapped:
        packed = bytes(10) + b"\xff\xff" + packed
    guest.poke(BYTES, packed)
    return guest.poke(ADDRESS, struct.pack("<II", BYTES, len(packed)))


def room(guest: Puppet, size: int) -> int:
    guest.poke(BYTES, bytes(16))
    return guest.poke(ADDRESS, struct.pack("<II", BYTES, size))


async def open_socket(guest: Puppet) -> int:
    await guest.checked("sock_open", INET4, STREAM, SCRATCH)
    return await guest.peek_u32(SCRATCH)


async def local_port(guest: Puppet, fd: int) -> int:
    await guest.checked("sock_getlocaladdr", fd, room(guest, 4), SCRATCH, SCRATCH + 4)
    return await guest.peek_u32(SCRATCH + 4)


async def listening(guest: Puppet, backlog: int = 16) -> tuple[int, int]:
    fd = await open_socket(guest)
    await guest.checked("sock_bind", fd, address(guest, "0.0.0.0"), 0)
    await guest.checked("sock_listen", fd, backlog)
    return fd, await local_port(guest, fd)


async def accept(guest: Puppet, listener: int, flags: FdFlag = FdFlag.NONE) -> int:
    await guest.checked("sock_accept", listener, flags, SCRATCH)
    return await guest.peek_u32(SCRATCH)


async def pair(guest: Puppet) -> tuple[int, int]:
    listener, port = await listening(guest)
    client = await open_socket(guest)
    await guest.checked("sock_connect", client, address(guest, "127.0.0.1"), port)
    return client, await accept(guest, listener)


async def send(guest: Puppet, fd: int, data: bytes) -> int:
    guest.poke(BUFFER, data)
    await guest.checked("sock_send", fd, *guest.buffers(len(data)), 0, SCRATCH)
    return await guest.peek_u32(SCRATCH)


async def receive(guest: Puppet, fd: int, size: int = 4096, flags: int = 0) -> bytes:
    await guest.checked("sock_recv", fd, *guest.buffers(size), flags, SCRATCH, SCRATCH + 8)
    return await guest.peek(BUFFER, await guest.peek_u32(SCRATCH))


@TWICE
async def test_a_conversation_with_another_pod(pods: Lab, guest: Puppet) -> None:
    server = await pods.puppet()
    listener, port = await listening(server)
    client = await open_socket(guest)
    await guest.checked("sock_connect", client, address(guest, server.guest.address), port)
    accepted = await accept(server, listener)
    assert await send(guest, client, b"hello") == 5
    assert await receive(server, accepted) == b"hello"
    assert await send(server, accepted, b"world") == 5
    assert await receive(guest, client) == b"world"
    await guest.checked("sock_shutdown", client, wasi.SHUT_WRITE)
    assert await receive(server, accepted) == b""


@pytest.mark.parametrize("size", [*range(1, 19), 64])
async def test_as_many_bytes_are_copied_as_were_sent(guest: Puppet, size: int) -> None:
    client, server = await pair(guest)
    data = bytes(range(1, size + 1))
    for offset in range(3):  # and so at any place in the ring
        assert await send(guest, client, data) == size
        guest.poke(BUFFER, bytes(80))
        assert await receive(guest, server) == data
        assert await guest.peek(BUFFER, 80) == data + bytes(80 - size)
        await send(guest, client, bytes(offset + 1))
        await receive(guest, server)


async def test_peeking_leaves_the_bytes(guest: Puppet) -> None:
    client, server = await pair(guest)
    await send(guest, client, b"look")
    assert await receive(guest, server, 4, wasi.PEEK) == b"look"
    assert await receive(guest, server, 2, wasi.PEEK) == b"lo"
    assert await receive(guest, server) == b"look"


@TWICE
async def test_waiting_for_all_goes_on_over_several_sends(pods: Lab, guest: Puppet) -> None:
    server = await pods.puppet()
    listener, port = await listening(server)
    client = await open_socket(guest)
    await guest.checked("sock_connect", client, address(guest, server.guest.address), port)
    accepted = await accept(server, listener)
    buffers = server.buffers(6, 4)
    server.start("sock_recv", accepted, *buffers, wasi.WAITALL, SCRATCH, SCRATCH + 8)
    for part in (b"01", b"23456", b"789"):
        await send(guest, client, part)
    assert await server.answer() == 0
    assert await server.peek(BUFFER, await server.peek_u32(SCRATCH)) == b"0123456789"


async def test_waiting_for_all_ends_with_the_stream(guest: Puppet) -> None:
    client, server = await pair(guest)
    await send(guest, client, b"short")
    await guest.checked("sock_shutdown", client, wasi.SHUT_WRITE)
    assert await receive(guest, server, 100, wasi.WAITALL) == b"short"


async def test_not_waiting_says_again(guest: Puppet) -> None:
    client, server = await pair(guest)
    arguments = (*guest.buffers(4), wasi.DONTWAIT, SCRATCH, SCRATCH + 8)
    assert await guest.call("sock_recv", server, *arguments) is Errno.AGAIN
    await guest.set_nonblocking(client)
    arguments = (*guest.buffers(4), 0, SCRATCH, SCRATCH + 8)
    assert await guest.call("sock_recv", client, *arguments) is Errno.AGAIN


async def test_an_accepted_socket_takes_its_flags_from_the_call(guest: Puppet) -> None:
    listener, port = await listening(guest)
    client = await open_socket(guest)
    await guest.checked("sock_connect", client, address(guest, "127.0.0.1"), port)
    accepted = await accept(guest, listener, FdFlag.NONBLOCK)
    assert (await guest.fdstat(accepted)).flags is FdFlag.NONBLOCK
    await guest.set_nonblocking(listener)
    assert await guest.call("sock_accept", listener, 0, SCRATCH) is Errno.AGAIN


async def test_other_families_and_types_are_refused(guest: Puppet) -> None:
    assert await guest.call("sock_open", 2, STREAM, SCRATCH) is Errno.AFNOSUPPORT
    assert await guest.call("sock_open", INET4, 9, SCRATCH) is Errno.NOTSUP


async def test_addresses_of_both_ends(guest: Puppet) -> None:
    client, server = await pair(guest)
    port = await local_port(guest, client)
    await guest.checked("sock_getpeeraddr", server, room(guest, 4), SCRATCH, SCRATCH + 4)
    assert await guest.peek_u32(SCRATCH + 4) == port
    assert await guest.peek(BYTES, 4) == IPv4Address("127.0.0.1").packed
    await guest.checked("sock_getpeeraddr", server, room(guest, 16), SCRATCH, SCRATCH + 4)
    mapped = bytes(10) + b"\xff\xff" + IPv4Address("127.0.0.1").packed
    assert await guest.peek(BYTES, 16) == mapped
    small = await guest.call("sock_getpeeraddr", server, room(guest, 3), SCRATCH, SCRATCH + 4)
    assert small is Errno.INVAL
    fresh = await open_socket(guest)
    unconnected = await guest.call("sock_getpeeraddr", fresh, room(guest, 4), SCRATCH, SCRATCH)
    assert unconnected is Errno.NOTCONN


async def test_a_mapped_ipv6_address_is_ipv4_and_others_are_refused(guest: Puppet) -> None:
    _, port = await listening(guest)
    client = await open_socket(guest)
    await guest.checked("sock_connect", client, address(guest, "127.0.0.1", mapped=True), port)
    other = await open_socket(guest)
    guest.poke(BYTES, b"\x20\x01" + bytes(14))
    guest.poke(ADDRESS, struct.pack("<II", BYTES, 16))
    assert await guest.call("sock_connect", other, ADDRESS, port) is Errno.AFNOSUPPORT
    guest.poke(ADDRESS, struct.pack("<II", BYTES, 5))
    assert await guest.call("sock_connect", other, ADDRESS, port) is Errno.AFNOSUPPORT
    guest.poke(ADDRESS, struct.pack("<II", 0xFFFF_FFFE, 4))
    assert await guest.call("sock_connect", other, ADDRESS, port) is Errno.FAULT


@TWICE
async def test_errors_of_connecting_and_binding(guest: Puppet) -> None:
    fd = await open_socket(guest)
    connect = "sock_connect"
    assert await guest.call(connect, fd, address(guest, "127.0.0.1"), 9) is Errno.CONNREFUSED
    assert await guest.call(connect, fd, address(guest, "10.10.9.9"), 9) is Errno.HOSTUNREACH
    assert await guest.call(connect, fd, address(guest, "127.0.0.1"), 65536) is Errno.INVAL
    bind = "sock_bind"
    assert await guest.call(bind, fd, address(guest, "10.10.9.9"), 9) is Errno.ADDRNOTAVAIL
    assert await guest.call(bind, fd, address(guest, "0.0.0.0"), 65536) is Errno.INVAL
    await guest.checked(bind, fd, address(guest, "0.0.0.0"), 9)
    assert await guest.call(bind, fd, address(guest, "0.0.0.0"), 10) is Errno.INVAL


async def test_calls_on_what_is_no_socket(guest: Puppet) -> None:
    address(guest, "127.0.0.1")
    for fd, expected in ((1, Errno.NOTSOCK), (guest.net, Errno.NOTSOCK), (77, Errno.BADF)):
        for name, arguments in {
            "sock_accept": (0, SCRATCH),
            "sock_recv": (*guest.buffers(4), 0, SCRATCH, SCRATCH + 8),
            "sock_send": (*guest.buffers(4), 0, SCRATCH),
            "sock_shutdown": (1,),
            "sock_bind": (ADDRESS, 1),
            "sock_listen": (1,),
            "sock_connect": (ADDRESS, 1),
            "sock_getlocaladdr": (ADDRESS, SCRATCH, SCRATCH),
            "sock_getpeeraddr": (ADDRESS, SCRATCH, SCRATCH),
            "sock_getsockopt": (1, 2, SCRATCH, SCRATCH + 8),
            "sock_setsockopt": (1, 2, SCRATCH, 4),
            "sock_recv_from": (*guest.buffers(4), ADDRESS, 0, SCRATCH, SCRATCH, SCRATCH + 8),
            "sock_send_to": (*guest.buffers(4), ADDRESS, 0, 0, SCRATCH),
        }.items():
            assert await guest.call(name, fd, *arguments) is expected, name


async def test_shutdown_wants_a_direction_and_a_connection(guest: Puppet) -> None:
    client, _ = await pair(guest)
    assert await guest.call("sock_shutdown", client, 0) is Errno.INVAL
    assert await guest.call("sock_shutdown", client, 4) is Errno.INVAL
    fresh = await open_socket(guest)
    assert await guest.call("sock_shutdown", fresh, wasi.SHUT_READ) is Errno.NOTCONN


async def test_options_have_linux_numbers(guest: Puppet) -> None:
    fd = await open_socket(guest)

    async def get(level: int, name: int) -> int:
        guest.poke(SCRATCH, struct.pack("<iI", 0, 4))
        await guest.checked("sock_getsockopt", fd, level, name, SCRATCH, SCRATCH + 4)
        value, size = struct.unpack("<iI", await guest.peek(SCRATCH, 8))
        assert size == 4
        return int(value)

    async def put(level: int, name: int, value: int) -> Errno:
        guest.poke(SCRATCH, struct.pack("<i", value))
        return await guest.call("sock_setsockopt", fd, level, name, SCRATCH, 4)

    assert await get(SOL_SOCKET, 3) == 1
    assert await get(SOL_SOCKET, 4) == 0
    assert await get(SOL_SOCKET, 30) == 0
    for level, name in ((SOL_SOCKET, 2), (SOL_SOCKET, 9), (SOL_SOCKET, 15), (IPPROTO_TCP, 1)):
        assert await get(level, name) == 0
        assert not await put(level, name, 5)
        assert await get(level, name) == 1
    for name in (7, 8):
        assert not await put(SOL_SOCKET, name, 70_000)
        assert await get(SOL_SOCKET, name) == 70_000
        assert await put(SOL_SOCKET, name, -1) is Errno.INVAL
    assert await put(SOL_SOCKET, 999, 1) is Errno.NOPROTOOPT
    assert await put(41, 26, 1) is Errno.NOPROTOOPT
    assert await put(0xFFFFFFFF, 0xFFFFFFFF, 1) is Errno.NOPROTOOPT
    assert await guest.call("sock_setsockopt", fd, 1, 2, SCRATCH, 3) is Errno.INVAL
    guest.poke(SCRATCH, struct.pack("<iI", 0, 3))
    small = await guest.call("sock_getsockopt", fd, 1, 2, SCRATCH, SCRATCH + 4)
    assert small is Errno.INVAL


async def test_the_stream_forms_of_recv_from_and_send_to(guest: Puppet) -> None:
    client, server = await pair(guest)
    guest.poke(BUFFER, b"hello")
    to = (*guest.buffers(5), address(guest, "9.9.9.9"), 1, 0, SCRATCH)
    await guest.checked("sock_send_to", client, *to)
    assert await guest.peek_u32(SCRATCH) == 5
    source = (*guest.buffers(64), room(guest, 4), 0, SCRATCH + 16, SCRATCH, SCRATCH + 8)
    await guest.checked("sock_recv_from", server, *source)
    assert await guest.peek(BUFFER, await guest.peek_u32(SCRATCH)) == b"hello"
    assert await guest.peek(BYTES, 4) == IPv4Address("127.0.0.1").packed
    assert await guest.peek_u32(SCRATCH + 16) == await local_port(guest, client)


async def resolve(guest: Puppet, name: bytes, service: bytes, most: int = 4) -> list[bytes]:
    """`sock_getaddrinfo` into a chain of four entries: port and address of each that was filled."""
    entries, sockaddrs, data = BUFFER + 1024, BUFFER + 1280, BUFFER + 1536
    for index in range(4):
        following = entries + 28 * (index + 1) if index < 3 else 0
        guest.poke(
            entries + 28 * index,
            struct.pack("<HBBIIIIII", 0, 0, 0, 0, 12, sockaddrs + 12 * index, 0, 0, following),
        )
        guest.poke(sockaddrs + 12 * index, struct.pack("<III", 0, 14, data + 16 * index))
    guest.poke(SCRATCH, struct.pack("<I", entries))
    where = (*guest.path(name), *guest.path(service, BUFFER + 2048))
    await guest.checked("sock_getaddrinfo", *where, 0, SCRATCH, most, SCRATCH + 4)
    count = await guest.peek_u32(SCRATCH + 4)
    return [await guest.peek(data + 16 * index, 6) for index in range(count)]


@TWICE
async def test_names_resolve_into_the_guests_own_list(pods: Lab, guest: Puppet) -> None:
    pods.publish({"api": ["10.10.0.7", "10.10.0.8"]})
    found = await resolve(guest, b"api", b"8080")
    port = (8080).to_bytes(2, "big")
    assert sorted(found) == [port + IPv4Address(f"10.10.0.{n}").packed for n in (7, 8)]
    assert len(await resolve(guest, b"api", b"80", most=1)) == 1
    assert await resolve(guest, b"10.1.2.3", b"1") == [b"\0\1" + IPv4Address("10.1.2.3").packed]
    assert await resolve(guest, b"", b"1") == [b"\0\1" + bytes(4)]
    assert await resolve(guest, b"localhost", b"") == [b"\0\0\x7f\0\0\1"]


async def test_resolving_fails_with_an_errno(guest: Puppet) -> None:
    async def attempt(name: bytes, service: bytes) -> Errno:
        guest.poke(SCRATCH, bytes(8))
        where = (*guest.path(name), *guest.path(service, BUFFER + 2048))
        return await guest.call("sock_getaddrinfo", *where, 0, SCRATCH, 4, SCRATCH + 4)

    assert await attempt(b"nobody", b"80") is Errno.NOENT
    assert await attempt(b"localhost", b"http") is Errno.INVAL
    assert await attempt(b"localhost", b"65536") is Errno.INVAL
    assert await attempt(b"n" * 300, b"80") is Errno.NAMETOOLONG
    assert await attempt(b"localhost", b"0" * 30) is Errno.NAMETOOLONG


async def test_a_circular_result_list_does_not_hang(pods: Lab, guest: Puppet) -> None:
    pods.publish({"many": [f"10.10.1.{n}" for n in range(1, 40)]})
    entry, sockaddr = BUFFER + 1024, BUFFER + 1280
    guest.poke(entry, struct.pack("<HBBIIIIII", 0, 0, 0, 0, 12, sockaddr, 0, 0, entry))
    guest.poke(sockaddr, struct.pack("<III", 0, 14, BUFFER + 1536))
    guest.poke(SCRATCH, struct.pack("<I", entry))
    where = (*guest.path("many"), *guest.path("", BUFFER + 2048))
    error = await guest.call("sock_getaddrinfo", *where, 0, SCRATCH, 0xFFFFFFFF, SCRATCH + 4)
    assert error is Errno.SUCCESS
    assert await guest.peek_u32(SCRATCH + 4) == 16
