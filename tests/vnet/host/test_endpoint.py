"""The host as a machine on the pods' networks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import IPv4Address

import pytest

from tests.support.lab import BACK_GATEWAY, FRONT_GATEWAY, Lab, eventually
from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag
from tests.vnet.host.scenarios import Handler, close


async def listening(guest: Puppet, backlog: int = 128) -> tuple[int, int]:
    """A listener of a guest: its descriptor and port."""
    fd = await guest.open_net("tcp/socket")
    ident = await guest.socket_id(fd)
    await guest.control_command(f"bind {ident} 0.0.0.0 0")
    await guest.control_command(f"listen {ident} {backlog}")
    return fd, (await guest.local(fd))[1]


async def test_the_host_talks_to_a_pod(pods: Lab) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest)
    reader, writer = await pods.runtime.endpoint.open_connection(guest.guest.address, port)
    fd = await guest.accept(listener)
    writer.write(b"hello")
    assert await guest.read(fd) == b"hello"
    await guest.write(fd, b"world")
    assert await reader.readexactly(5) == b"world"
    assert (await guest.remote(fd)) == writer.get_extra_info("sockname")
    assert (await guest.remote(fd))[0] == FRONT_GATEWAY
    await guest.close(fd)
    assert await reader.read() == b""
    await close(writer)


async def test_a_pod_talks_to_the_host(pods: Lab) -> None:
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 0)
    guest = await pods.puppet()
    fd = await guest.connect(*server.address)
    reader, writer = await handler.arrived.get()
    assert writer.get_extra_info("peername") == await guest.local(fd)
    await guest.write(fd, b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.write(b"pong")
    assert await guest.read(fd) == b"pong"
    await guest.kill()
    assert await reader.read() == b""
    await close(writer)


async def test_many_pods_connect_to_a_server_of_the_host_at_once(pods: Lab) -> None:
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, BACK_GATEWAY, 0)
    guests = [await pods.puppet(networks=("front", "back")) for _ in range(10)]
    for guest in guests:
        path = guest.path(f"tcp/connect/{BACK_GATEWAY}/{server.address[1]}")
        for _ in range(20):
            guest.start("path_open", guest.net, 0, *path, 0, 0, 0, 4, 8192)
    streams = [await handler.arrived.get() for _ in range(200)]
    assert {writer.get_extra_info("peername")[0][:6] for _, writer in streams} == {"10.20."}
    for guest in guests:
        assert {await guest.answer() for _ in range(20)} == {0}
    server.abort_clients()
    for _, writer in streams:
        await writer.wait_closed()


async def test_bytes_flow_in_bulk_with_back_pressure(pods: Lab) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest)
    reader, writer = await pods.runtime.endpoint.open_connection(guest.guest.address, port)
    fd = await guest.accept(listener)
    size = 4 << 20
    writer.write(bytes(range(256)) * (size >> 8))
    draining = asyncio.get_running_loop().create_task(writer.drain())
    received = await guest.read_exactly(fd, size)
    await draining
    assert received == bytes(range(256)) * (size >> 8)
    await guest.set_nonblocking(fd)
    sent = 0
    while not await guest.try_write(fd, bytes(60_000)):
        sent += await guest.peek_u32(8192 + 4096)
    await guest.kill()
    assert len(await reader.read()) == sent
    await close(writer)


async def test_the_host_hears_when_a_pod_begins_to_listen(pods: Lab) -> None:
    endpoint = pods.runtime.endpoint
    guest = await pods.puppet()
    _, other = await listening(guest)
    await endpoint.wait_for_listener(guest.guest.address, other)  # it does already
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(endpoint.wait_for_listener(guest.guest.address, 80)) for _ in range(3)
        ]
        await listening(guest)
        await guest.kill()
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        waiting.pop().cancel()
        second = await pods.puppet()
        hearing = group.create_task(endpoint.wait_for_listener(second.guest.address, 80))
        fd = await second.open_net("tcp/socket")
        ident = await second.socket_id(fd)
        await second.control_command(f"bind {ident} 0.0.0.0 80")
        await second.control_command(f"listen {ident} 1")
        await hearing
        for task in waiting:
            task.cancel()
    with pytest.raises(OSError, match="No route to host"):
        await endpoint.wait_for_listener("10.10.99.99", 80)


async def test_whoever_waits_for_a_pod_hears_of_the_end_of_the_network(pods: Lab) -> None:
    endpoint = pods.runtime.endpoint
    guest = await pods.puppet()
    asyncio.get_running_loop().call_soon(endpoint.close)
    with pytest.raises(ConnectionAbortedError):
        await endpoint.wait_for_listener(guest.guest.address, 80)


async def test_a_pod_that_nobody_has_is_unreachable(pods: Lab) -> None:
    with pytest.raises(OSError, match="No route to host"):
        await pods.runtime.endpoint.open_connection("10.10.99.99", 80)
    with pytest.raises(ConnectionRefusedError):
        await pods.runtime.endpoint.open_connection(FRONT_GATEWAY, 9)
    with pytest.raises(ConnectionRefusedError):
        await pods.runtime.endpoint.open_connection("127.0.0.1", 9)
    with pytest.raises(ValueError, match="Expected 4 octets"):
        await pods.runtime.endpoint.open_connection("a-name", 80)
    with pytest.raises(OSError, match="Invalid argument"):
        await pods.runtime.endpoint.open_connection(FRONT_GATEWAY, 65536)


async def test_a_server_needs_an_address_and_a_port_of_its_own(pods: Lab) -> None:
    start = pods.runtime.endpoint.start_server
    server = await start(Handler(), FRONT_GATEWAY, 8080)
    assert server.address == (FRONT_GATEWAY, 8080)
    with pytest.raises(OSError, match="Address already in use"):
        await start(Handler(), FRONT_GATEWAY, 8080)
    with pytest.raises(OSError, match="Cannot assign requested address"):
        await start(Handler(), "10.10.0.7", 8080)
    server.close()
    server.close()
    await start(Handler(), FRONT_GATEWAY, 8080)


async def test_a_connect_that_takes_too_long_is_given_up(pods: Lab) -> None:
    guest = await pods.puppet()
    _, port = await listening(guest, backlog=1)
    dial = pods.runtime.endpoint.open_connection
    _, writer = await dial(guest.guest.address, port)
    before = pods.statistics()
    with pytest.raises(TimeoutError):
        await dial(guest.guest.address, port, timeout_s=0.01)
    assert pods.statistics()[1] == before[1], "its socket is closed"
    await close(writer)


async def test_a_connect_can_be_cancelled(pods: Lab) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest, backlog=1)
    dial = pods.runtime.endpoint.open_connection
    _, writer = await dial(guest.guest.address, port)
    before = pods.statistics()
    waiting = [
        asyncio.get_running_loop().create_task(dial(guest.guest.address, port)) for _ in range(5)
    ]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert pods.statistics()[1] == before[1]
    fd = await guest.accept(listener)
    writer.write(b"still here")
    assert await guest.read(fd) == b"still here"
    await close(writer)


async def test_a_waiting_connect_is_refused_when_the_listener_goes(pods: Lab) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest, backlog=1)
    dial = pods.runtime.endpoint.open_connection
    _, writer = await dial(guest.guest.address, port)
    waiting = asyncio.get_running_loop().create_task(dial(guest.guest.address, port))
    await asyncio.sleep(0)
    await guest.close(listener)
    with pytest.raises(ConnectionRefusedError):
        await waiting
    await close(writer)


async def test_a_waiting_connect_fails_when_the_network_shuts_down(pods: Lab) -> None:
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 0)
    guest = await pods.puppet()
    _, port = await listening(guest, backlog=1)
    dial = pods.runtime.endpoint.open_connection
    _, writer = await dial(guest.guest.address, port)
    waiting = asyncio.get_running_loop().create_task(dial(guest.guest.address, port))
    await asyncio.sleep(0)
    pods.runtime.endpoint.close()
    with pytest.raises(ConnectionAbortedError, match="shutting down"):
        await waiting
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await dial(*server.address)


async def test_a_connect_is_not_taken_for_decided_by_a_token_of_an_earlier_descriptor(
    pods: Lab,
) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest, backlog=1)
    dial = pods.runtime.endpoint.open_connection
    _, writer = await dial(guest.guest.address, port)
    waiting = asyncio.get_running_loop().create_task(dial(guest.guest.address, port))
    for _ in range(3):
        await asyncio.sleep(0)
        pods.runtime._watches.deliver(range(200))  # as late tokens of descriptors now reused
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    await guest.accept(listener)
    _, second = await waiting
    await close(second)
    await close(writer)


async def test_stale_tokens_disturb_no_transport_and_no_server(pods: Lab) -> None:
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 0)
    reader, writer = await pods.runtime.endpoint.open_connection(*server.address)
    their_reader, their_writer = await handler.arrived.get()
    for number in range(20):
        pods.runtime._watches.deliver(range(200))
        await asyncio.sleep(0)
        writer.write(str(number).encode())
        assert await their_reader.read(100) == str(number).encode()
    await close(writer)
    pods.runtime._watches.deliver(range(200))
    await close(their_writer)
    assert await reader.read() == b""


async def test_a_callback_that_fails_does_not_keep_others_from_running(pods: Lab) -> None:
    loop = asyncio.get_running_loop()
    reports: list[object] = []
    loop.set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 0)
    streams = [await pods.runtime.endpoint.open_connection(*server.address) for _ in range(5)]
    theirs = [await handler.arrived.get() for _ in range(5)]

    class Faulty(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    theirs[0][1].transport.set_protocol(Faulty())
    for _, writer in streams:
        writer.write(b"data")
    for reader, _ in theirs[1:]:
        assert await reader.readexactly(4) == b"data"
    assert [type(report) for report in reports] == [ZeroDivisionError]
    pods.runtime.endpoint.close()


async def test_a_client_that_never_reads_does_not_hold_up_the_server(pods: Lab) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(65536))
                await writer.drain()

    server = await pods.runtime.endpoint.start_server(flood, FRONT_GATEWAY, 0)
    guest = await pods.puppet()
    before = pods.statistics()[1]
    stuck = [await guest.connect(*server.address) for _ in range(3)]
    fd = await guest.connect(*server.address)
    assert len(await guest.read_exactly(fd, 300_000)) == 300_000
    for one in (*stuck, fd):
        await guest.close(one)
    await eventually(lambda: pods.statistics()[1] == before)


async def test_thousands_of_connections_are_open_at_once(pods: Lab) -> None:
    handler = Handler()
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 0)
    before = pods.statistics()
    dial = pods.runtime.endpoint.open_connection
    mine, theirs = [], []
    for _ in range(2000):
        mine.append(await dial(*server.address))
        theirs.append(await handler.arrived.get())
    for number, (_, writer) in enumerate(mine):
        writer.write(b"%04d" % number)
    for number, (reader, _) in enumerate(theirs):
        assert await reader.readexactly(4) == b"%04d" % number
    used = pods.statistics()[0] - before[0]
    assert used / 2000 < 16 << 10
    for _, writer in mine + theirs:
        writer.transport.abort()
    for _, writer in mine + theirs:
        await writer.wait_closed()
    assert pods.statistics()[1] == before[1]


async def test_a_connection_that_cannot_be_accepted_costs_only_itself(pods: Lab) -> None:
    loop = asyncio.get_running_loop()
    reports: list[str] = []
    loop.set_exception_handler(lambda loop, context: reports.append(context["message"]))
    handler = Handler()
    fabric = pods.runtime.fabric
    server = await pods.runtime.endpoint.start_server(handler, FRONT_GATEWAY, 65_000)
    hoard: list[int] = []

    def take_every_descriptor() -> None:
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            for port in range(1, 60_000):
                hoard.append(fabric.listen(int(IPv4Address(address)), port, 1))  # noqa: PERF401

    with pytest.raises(OSError, match="Too many open files"):
        take_every_descriptor()
    fabric.close(hoard.pop())
    _, writer = await pods.runtime.endpoint.open_connection(*server.address)
    await eventually(lambda: reports)
    assert reports == ["a connection could not be accepted"]
    await close(writer)
    for descriptor in hoard:
        fabric.close(descriptor)
    _, writer = await pods.runtime.endpoint.open_connection(*server.address)
    await handler.arrived.get()
    await close(writer)


async def test_names_rotate_and_are_replaced_and_removed(pods: Lab) -> None:
    guest = await pods.puppet(networks=("front", "back"))
    pods.publish({"api": ["10.10.0.7", "10.10.0.8", "10.10.0.9"], "gone": ["10.10.0.1"]})
    firsts = [(await guest.ask("dns/api")).split()[0] for _ in range(6)]
    assert sorted(firsts[:3]) == ["10.10.0.7", "10.10.0.8", "10.10.0.9"]
    assert firsts[:3] == firsts[3:]
    pods.publish({"api": ["10.10.0.7"]})
    assert await guest.ask("dns/api") == "10.10.0.7\n"
    assert await guest.try_open_net("dns/gone") is Errno.NOENT
    pods.publish({"api": ["10.20.0.7"]}, "back")
    assert (await guest.ask("dns/api")).split() == ["10.10.0.7", "10.20.0.7"]
    pods.publish({"api": []})
    assert await guest.ask("dns/api") == "10.20.0.7\n"
    pods.publish({}, "back")
    assert await guest.try_open_net("dns/api") is Errno.NOENT
    only_front = await pods.puppet()
    pods.publish({"hidden": ["10.20.0.7"]}, "back")
    assert await only_front.try_open_net("dns/hidden") is Errno.NOENT
    assert await guest.ask("dns/hidden") == "10.20.0.7\n"


async def test_many_names_are_published_again_and_again(pods: Lab) -> None:
    names = {f"service-{n}": [f"10.10.1.{n}"] for n in range(1, 200)}
    pods.publish(names)
    pods.publish({})
    before = pods.statistics()
    for _ in range(20):
        pods.publish(names)
        pods.publish({})
    assert pods.statistics() == before
    large = {"large": [f"10.10.{n >> 8}.{n & 255}" for n in range(2, 4000)]}
    pods.publish(large)
    guest = await pods.puppet()
    assert len((await guest.ask("dns/large")).split()) == 16, "as many as a reply holds"


async def test_ephemeral_ports_are_per_pod_and_run_out(pods: Lab) -> None:
    guest = await pods.puppet()
    listener, port = await listening(guest)
    seen = set()
    for _ in range(100):
        fd = await guest.connect("127.0.0.1", port, FdFlag.NONBLOCK)
        seen.add((await guest.local(fd))[1])
        await guest.close(await guest.accept(listener))
        await guest.close(fd)
    assert len(seen) == 100
    other = await pods.puppet()
    first = (await other.local(other.control))[1]
    assert first == (await guest.local(guest.control))[1] == 32768
