"""How guests end, by themselves and by the node's hand, and that nobody else notices."""

from __future__ import annotations

import asyncio
import struct
from ipaddress import IPv4Address

import pytest

from pod_node.spec import ExitKind, Limits, PodExit
from tests.support import wasi
from tests.support.lab import FRONT_GATEWAY, Lab, declare, pod_imports
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Subscription
from tests.support.wat import Op, command_text, record

SCRATCH = BUFFER + 8192
SPIN = "(loop $l (br $l))"
KILLED = PodExit(kind=ExitKind.KILLED, status=137, reason="killed")


@pytest.fixture
async def neighbour(pods: Lab) -> Puppet:
    return await pods.puppet(name="neighbour")


async def is_unharmed(neighbour: Puppet) -> None:
    """The neighbour makes a connection to itself, moves bytes and closes it."""
    listener = await neighbour.listen()
    _, port = await neighbour.local(listener)
    client = await neighbour.connect("127.0.0.1", port)
    server = await neighbour.accept(listener)
    await neighbour.write(client, b"echo")
    assert await neighbour.read(server) == b"echo"
    for fd in (client, server, listener):
        await neighbour.close(fd)


async def test_returning_from_start_is_status_zero(pods: Lab) -> None:
    end = await pods.boot_text(command_text("")).end()
    assert end == PodExit(kind=ExitKind.EXITED, status=0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0, 0), (1, 1), (125, 125), (126, 126), (137, 137), (255, 255), (256, 0), (0xFFFFFFFF, 255)],
)
async def test_an_exit_status_is_what_a_shell_shows(pods: Lab, given: int, expected: int) -> None:
    guest = pods.boot_text(
        command_text(f"(call $proc_exit (i32.const {given}))", declare("proc_exit"))
    )
    assert await guest.end() == PodExit(kind=ExitKind.EXITED, status=expected)


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Op.UNREACHABLE, "unreachable"),
        (Op.RECURSE, "the stack overflowed"),
        (Op.OUT_OF_BOUNDS, "out of bounds memory access"),
    ],
)
async def test_a_trap_is_named(pods: Lab, neighbour: Puppet, op: Op, reason: str) -> None:
    guest = await pods.puppet()
    await guest.listen()
    guest.tell(op)
    end = await guest.end()
    assert (end.kind, end.status) == (ExitKind.TRAPPED, 134)
    assert reason in end.reason
    assert "\n" not in end.reason
    await is_unharmed(neighbour)


async def test_a_trap_at_the_memory_limit_is_out_of_memory(pods: Lab, neighbour: Puppet) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=8 << 20))
    assert await guest.grow((8 << 20 >> 16) - 2) == 2
    assert await guest.grow(1) == -1, "the guest sees the refusal and may go on"
    guest.tell(Op.UNREACHABLE)
    end = await guest.end()
    assert (end.kind, end.status) == (ExitKind.OUT_OF_MEMORY, 134)
    assert "8 MiB" in end.reason
    await is_unharmed(neighbour)


async def test_a_stack_overflow_is_no_lack_of_memory(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=2 << 16))
    guest.tell(Op.RECURSE)
    assert (await guest.end()).kind is ExitKind.TRAPPED


@pytest.mark.parametrize(
    "call",
    ["sched_yield", "sock_open", "path_open", "fd_read", "poll_oneoff", "sock_getaddrinfo",
     "fd_prestat_get", "random_get", "args_get"],
)  # fmt: skip
async def test_the_stack_never_overflows_inside_the_kernel(
    pods: Lab, neighbour: Puppet, call: str
) -> None:
    """An overflow there would leave a lock of the whole node held."""
    number = [function.name for function in pod_imports()].index(call)

    async def survives(depth: int) -> bool:
        guest = await pods.puppet()
        path = guest.path("tcp/socket")
        clock = guest.poke(BUFFER, wasi.subscribe_clock(0))
        name = guest.second_path("localhost")
        guest.poke(SCRATCH, struct.pack("<I", SCRATCH))
        arguments: dict[str, tuple[int, ...]] = {
            "sock_open": (1, 2, SCRATCH),
            "path_open": (guest.net, 0, *path, 0, 0, 0, 0, SCRATCH),
            "fd_read": (0, *guest.buffers(8), SCRATCH),
            "poll_oneoff": (clock, clock + 64, 1, SCRATCH),
            "sock_getaddrinfo": (*name, SCRATCH, 0, 0, SCRATCH, 0, SCRATCH + 4),
            "fd_prestat_get": (guest.net, SCRATCH),
            "random_get": (SCRATCH, 8),
            "args_get": (SCRATCH, SCRATCH + 64),
        }
        at = guest.poke(SCRATCH + 4096, record(Op.CALL, number, *arguments.get(call, ())))
        guest.tell(Op.CALL_AT_DEPTH, at, depth)
        try:
            await guest.answer()
        except asyncio.IncompleteReadError:
            assert "stack overflowed" in (await guest.end()).reason
            return False
        await guest.kill()
        return True

    shallow, deep = 0, 1 << 17
    while deep - shallow > 1:
        middle = (shallow + deep) // 2
        shallow, deep = (middle, deep) if await survives(middle) else (shallow, middle)
    for depth in range(shallow - 2, shallow + 40):
        await survives(depth)
    await is_unharmed(neighbour)


async def test_a_killed_guest_says_so(pods: Lab, neighbour: Puppet) -> None:
    guest = pods.boot_text(command_text(SPIN))
    assert await guest.killed() == KILLED
    assert guest.pod is not None
    guest.kill()
    await guest.pod.wait()
    await is_unharmed(neighbour)


BLOCKING = (
    "accept", "accept-by-name", "read", "read-stdin-never", "recv-all", "write", "connect",
    "poll-for-ever", "poll-clock", "poll-read", "write-stdout", "pair-read",
)  # fmt: skip


async def block(guest: Puppet, how: str) -> None:
    """Have the guest begin a call that does not return."""
    listener = await guest.listen()
    ident = await guest.socket_id(listener)
    _, port = await guest.local(listener)
    client = await guest.connect("127.0.0.1", port)
    server = await guest.accept(listener)
    match how:
        case "accept":
            guest.start("sock_accept", listener, 0, SCRATCH)
        case "accept-by-name":
            path = guest.path(f"tcp/accept/{ident}")
            guest.start("path_open", guest.net, 0, *path, 0, 0, 0, 0, SCRATCH)
        case "read" | "read-stdin-never":
            guest.start("fd_read", server, *guest.buffers(10), SCRATCH)
        case "recv-all":
            await guest.write(client, b"part")
            buffers = guest.buffers(100)
            guest.start("sock_recv", server, *buffers, wasi.WAITALL, SCRATCH, SCRATCH + 8)
        case "write":
            await guest.set_nonblocking(client)
            while not await guest.try_write(client, bytes(32_768)):
                pass
            await guest.set_nonblocking(client, on=False)
            guest.start("fd_write", client, *guest.buffers(32_768), SCRATCH)
        case "connect":
            full = await guest.open_net("tcp/socket")
            number = await guest.socket_id(full)
            await guest.control_command(f"bind {number} 127.0.0.1 7")
            await guest.control_command(f"listen {number} 1")
            await guest.connect("127.0.0.1", 7)
            path = guest.path("tcp/connect/127.0.0.1/7")
            guest.start("path_open", guest.net, 0, *path, 0, 0, 0, 0, SCRATCH)
        case "poll-for-ever" | "poll-clock" | "poll-read":
            subscriptions = {
                "poll-for-ever": wasi.subscribe_clock((1 << 64) - 1),
                "poll-clock": wasi.subscribe_clock(3600 * 10**9),
                "poll-read": wasi.subscribe_fd(Subscription.READ, server),
            }
            at = guest.poke(BUFFER, subscriptions[how])
            guest.start("poll_oneoff", at, at + 64, 1, SCRATCH)
        case "write-stdout":
            buffers = guest.buffers(32_768)
            for _ in range(40):
                guest.start("fd_write", 1, *buffers, SCRATCH)
        case "pair-read":
            fd = await guest.open_net("tcp/pair")
            guest.start("fd_read", fd, *guest.buffers(10), SCRATCH)


@pytest.mark.parametrize("how", BLOCKING)
async def test_a_blocked_guest_can_be_killed(pods: Lab, neighbour: Puppet, how: str) -> None:
    guests = [await pods.puppet() for _ in range(3)]
    for guest in guests:
        await block(guest, how)
    await is_unharmed(neighbour)  # meanwhile they get to where they block
    assert [await guest.kill() for guest in guests] == [KILLED] * 3
    await is_unharmed(neighbour)


async def test_killing_one_guest_leaves_the_blocked_others_blocked(pods: Lab) -> None:
    guests = {how: await pods.puppet() for how in ("accept", "read", "poll-read", "poll-clock")}
    for how, guest in guests.items():
        await block(guest, how)
    spinning = pods.boot_text(command_text(SPIN))
    for _ in range(5):
        await pods.boot_text(command_text(SPIN)).killed()
    assert all(guest.guest.exit is None for guest in guests.values())
    assert spinning.exit is None
    for guest in guests.values():
        assert await guest.kill() == KILLED


async def test_the_peer_of_a_killed_guest_reads_the_end_or_a_reset(
    pods: Lab, neighbour: Puppet
) -> None:
    guest = await pods.puppet()
    listener = await guest.listen()
    _, port = await guest.local(listener)
    quiet = await neighbour.connect(guest.guest.address, port)
    unread = await neighbour.connect(guest.guest.address, port)
    await neighbour.write(unread, b"nobody reads this")
    await guest.accept(listener)
    waiting = await neighbour.connect(guest.guest.address, port)
    await guest.kill()
    assert await neighbour.read(quiet) == b""
    assert await neighbour.try_read(unread) is wasi.Errno.CONNRESET
    assert await neighbour.try_read(waiting) is wasi.Errno.CONNRESET
    gone = f"tcp/connect/{guest.guest.address}/{port}"
    assert await neighbour.try_open_net(gone) is wasi.Errno.HOSTUNREACH


async def test_a_flood_of_output_holds_up_its_own_guest_only(pods: Lab, neighbour: Puppet) -> None:
    flood = command_text(
        """(i32.store (i32.const 8) (i32.const 4096)) (i32.store (i32.const 12) (i32.const 30000))
        (loop $l (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
          (br $l))""",
        declare("fd_write"),
    )
    guest = pods.boot_text(flood)
    await guest.until(lambda one: len(one.output) > 1 << 20)
    await is_unharmed(neighbour)
    assert await guest.killed() == KILLED


async def test_a_flood_that_nobody_reads_can_be_killed(pods: Lab) -> None:
    guest = await pods.puppet()
    await block(guest, "write-stdout")
    guest.guest.kill()  # in the same turn of the loop: not a byte was taken
    assert await guest.end() == KILLED


async def test_a_guest_is_killed_before_it_began(pods: Lab) -> None:
    guests = [pods.boot_text(command_text(SPIN)) for _ in range(20)]
    for guest in guests:
        guest.kill()
    assert [await guest.end() for guest in guests] == [KILLED] * 20


async def test_a_guest_is_killed_in_its_modules_start_function(
    pods: Lab, neighbour: Puppet
) -> None:
    text = f"""(module (memory (export "memory") 1) (func $f {SPIN}) (start $f)
      (func (export "_start")))"""
    guests = [pods.boot_text(text) for _ in range(3)]
    await is_unharmed(neighbour)
    assert [await guest.killed() for guest in guests] == [KILLED] * 3
    for _ in range(30):  # at once: the guest may not have begun to watch for kills
        assert await pods.boot_text(text).killed() == KILLED


async def test_many_spinning_guests_do_not_keep_the_host_from_working(pods: Lab) -> None:
    guests = [pods.boot_text(command_text(SPIN)) for _ in range(8)]
    puppet = await pods.puppet()
    await is_unharmed(puppet)
    for guest in guests:
        guest.kill()
    assert [await guest.end() for guest in guests] == [KILLED] * 8


async def test_guests_killed_while_they_talk_to_each_other(pods: Lab, neighbour: Puppet) -> None:
    chatter = command_text(
        """(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 8)
          (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
        (i32.store (i32.const 8) (i32.const 4096)) (i32.store (i32.const 12) (i32.const 30000))
        (loop $l
          (drop (call $fd_write (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 4)))
          (drop (call $fd_read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 4)))
          (br $l))) (data (i32.const 64) "tcp/pair") (func""",
        declare("path_open", "fd_write", "fd_read"),
    )
    guests = [pods.boot_text(chatter) for _ in range(10)]
    await is_unharmed(neighbour)
    for guest in guests:
        guest.kill()
    assert {(await guest.end()).kind for guest in guests} == {ExitKind.KILLED}
    await is_unharmed(neighbour)


async def test_the_host_and_guests_that_are_asked_whether_to_end_do_not_wait_for_each_other(
    pods: Lab,
) -> None:
    """Guests that are inside the kernel when the epoch changes hold locks and wait for the GIL."""
    sockets = command_text(
        """(loop $l
          (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 8)
            (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
          (drop (call $fd_close (i32.load (i32.const 0))))
          (br $l))) (data (i32.const 64) "tcp/pair") (func""",
        declare("path_open", "fd_close"),
    )
    guests = [pods.boot_text(sockets) for _ in range(4)]
    fabric = pods.runtime.fabric
    for _ in range(50):
        for _ in range(200):
            fabric.engine.increment_epoch()
            with pytest.raises(ConnectionRefusedError):
                pods.runtime.fabric.connect(int(IPv4Address(FRONT_GATEWAY)), 9)
        await asyncio.sleep(0)
    for guest in guests:
        assert await guest.killed() == KILLED


async def test_closing_the_runtime_ends_everything(pods: Lab) -> None:
    spinning = pods.boot_text(command_text(SPIN))
    blocked = await pods.puppet()
    await block(blocked, "accept")
    reader, writer = await host_pair(pods)
    reading = asyncio.get_running_loop().create_task(reader.read())
    await pods.runtime.close()
    assert spinning.exit == blocked.guest.exit == KILLED
    assert await reading == b""
    assert writer.is_closing()
    await pods.runtime.close()


async def host_pair(pods: Lab) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of the host to itself."""
    server = await pods.runtime.endpoint.start_server(lambda reader, writer: None, FRONT_GATEWAY, 0)
    return await pods.runtime.endpoint.open_connection(*server.address)
