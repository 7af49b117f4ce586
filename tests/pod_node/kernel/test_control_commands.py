"""`/net/ctl`: one command a write, the reply to read."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet()


async def fresh(guest: Puppet) -> tuple[int, int]:
    """A socket: its descriptor and its id."""
    fd = await guest.open_net("tcp/socket")
    return fd, await guest.socket_id(fd)


async def test_a_socket_is_made_step_by_step(guest: Puppet) -> None:
    fd, ident = await fresh(guest)
    assert await guest.control_command(f"local {ident}") == "0.0.0.0 0"
    assert await guest.control_command(f"bind {ident} {guest.guest.address} 9000") == ""
    assert await guest.control_command(f"local {ident}") == f"{guest.guest.address} 9000"
    assert await guest.control_command(f"listen {ident} 5\n") == ""
    assert await guest.control_command(f"get {ident} acceptconn") == "1"
    client, number = await fresh(guest)
    assert await guest.try_command(f"remote {number}") is Errno.NOTCONN
    assert await guest.control_command(f"connect {number} {guest.guest.address} 9000") == ""
    assert await guest.control_command(f"remote {number}") == f"{guest.guest.address} 9000"
    server = await guest.accept(fd)
    assert await guest.control_command(f"shutdown {number} w") == ""
    assert await guest.read(server) == b""
    assert await guest.try_write(client, b"x") is Errno.PIPE
    assert await guest.write(server, b"still open") == 10
    assert await guest.read(client) == b"still open"


async def test_one_descriptor_answers_many_commands(guest: Puppet) -> None:
    _, ident = await fresh(guest)
    control = await guest.open_net("ctl")
    assert await guest.read(control) == b""
    await guest.write(control, f"local {ident}".encode())
    assert await guest.read(control, 4) == b"0.0."
    await guest.write(control, f"get {ident} type".encode())
    assert await guest.read(control) == b"1"
    assert await guest.read(control) == b""
    assert await guest.try_write(control, b"local 99999") is Errno.BADF
    assert await guest.read(control) == b"", "a refused command leaves no reply"


async def test_a_command_may_come_in_several_buffers(guest: Puppet) -> None:
    _, ident = await fresh(guest)
    control = await guest.open_net("ctl")
    command = f"local {ident}".encode()
    guest.poke(BUFFER, command)
    await guest.checked("fd_write", control, *guest.buffers(3, len(command) - 3), BUFFER + 512)
    assert await guest.read(control) == b"0.0.0.0 0"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", Errno.BADF),
        ("dance", Errno.BADF),
        ("dance {id}", Errno.INVAL),
        ("bind {id} nowhere 80", Errno.INVAL),
        ("bind {id} 0.0.0.0 65536", Errno.INVAL),
        ("bind {id} 10.10.77.77 80", Errno.ADDRNOTAVAIL),
        ("listen {id} many", Errno.INVAL),
        ("connect {id} 10.10.0.2", Errno.INVAL),
        ("connect {id} 10.10.0.2 9", Errno.CONNREFUSED),
        ("connect {id} nobody 9", Errno.NOENT),
        ("connect {id} 10.10.77.77 9", Errno.HOSTUNREACH),
        ("shutdown {id} w", Errno.NOTCONN),
        ("shutdown {id} both", Errno.INVAL),
        ("get {id} nothing", Errno.NOPROTOOPT),
        ("set {id} nothing 1", Errno.NOPROTOOPT),
        ("set {id} sndbuf 0", Errno.INVAL),
        ("set {id} acceptconn 1", Errno.NOPROTOOPT),
        ("get {id} one two three four", Errno.INVAL),
        ("dns", Errno.NOENT),
        ("local 99999999999", Errno.BADF),
        ("x" * 999, Errno.INVAL),
        ("x" * 1001, Errno.MSGSIZE),
    ],
)
async def test_a_command_that_cannot_be_done_has_an_errno(
    guest: Puppet, command: str, expected: Errno
) -> None:
    _, ident = await fresh(guest)
    assert await guest.try_command(command.format(id=ident)) is expected


@pytest.mark.parametrize(
    ("option", "given_", "expected"),
    [
        ("reuseaddr", "7", "1"),
        ("reuseport", "1", "1"),
        ("keepalive", "1", "1"),
        ("broadcast", "1", "1"),
        ("nodelay", "1", "1"),
        ("linger", "30", "30"),
        ("linger", "-5", "-1"),
        ("sndbuf", "65536", "65536"),
        ("rcvbuf", "1", "1"),
        ("keepidle", "5", "5"),
        ("keepintvl", "6", "6"),
        ("keepcnt", "7", "7"),
        ("rcvtimeo", "1500", "1500"),
        ("sndtimeo", "0", "0"),
    ],
)
async def test_options_are_kept(guest: Puppet, option: str, given_: str, expected: str) -> None:
    _, ident = await fresh(guest)
    assert await guest.control_command(f"set {ident} {option} {given_}") == ""
    assert await guest.control_command(f"get {ident} {option}") == expected


async def test_binding_twice_is_invalid_and_a_taken_port_is_in_use(guest: Puppet) -> None:
    _, first = await fresh(guest)
    _, second = await fresh(guest)
    await guest.control_command(f"bind {first} 0.0.0.0 7000")
    assert await guest.try_command(f"bind {first} 0.0.0.0 7001") is Errno.INVAL
    assert await guest.try_command(f"bind {second} 0.0.0.0 7000") is Errno.ADDRINUSE
    assert await guest.control_command(f"bind {second} 0.0.0.0 7001") == ""


async def test_reuse_port_shares_a_listening_port(guest: Puppet) -> None:
    for _ in range(2):
        _, ident = await fresh(guest)
        await guest.control_command(f"set {ident} reuseport 1")
        await guest.control_command(f"bind {ident} 0.0.0.0 7100")
        await guest.control_command(f"listen {ident} 5")


async def test_a_refused_connect_leaves_the_socket_for_another_try(guest: Puppet) -> None:
    listener = await guest.listen(7200)
    fd, ident = await fresh(guest)
    assert await guest.try_command(f"connect {ident} 127.0.0.1 7201") is Errno.CONNREFUSED
    assert await guest.control_command(f"connect {ident} 127.0.0.1 7200") == ""
    assert await guest.try_command(f"connect {ident} 127.0.0.1 7200") is Errno.ISCONN
    await guest.write(fd, b"x")
    assert await guest.read(await guest.accept(listener)) == b"x"


async def test_linger_zero_resets_on_close(guest: Puppet) -> None:
    listener = await guest.listen()
    _, port = await guest.local(listener)
    client = await guest.connect("127.0.0.1", port)
    server = await guest.accept(listener)
    await guest.control_command(f"set {await guest.socket_id(client)} linger 0")
    await guest.close(client)
    assert await guest.try_read(server) is Errno.CONNRESET


async def test_shutdown_of_reading_ends_reads_at_once(guest: Puppet) -> None:
    fd = await guest.open_net("tcp/pair")
    ident = await guest.socket_id(fd)
    await guest.control_command(f"shutdown {ident} r")
    assert await guest.read(fd) == b""


async def test_ephemeral_ports_differ_and_come_back(guest: Puppet) -> None:
    listeners = [await guest.listen() for _ in range(50)]
    ports = {(await guest.local(fd))[1] for fd in listeners}
    assert len(ports) == 50
    assert all(32768 <= port <= 60999 for port in ports)


async def test_nonblocking_connect_by_command_says_so(guest: Puppet) -> None:
    listener, ident = await fresh(guest)
    await guest.control_command(f"bind {ident} 127.0.0.1 7300")
    await guest.control_command(f"listen {ident} 1")
    await guest.connect("127.0.0.1", 7300)
    fd, number = await fresh(guest)
    await guest.set_nonblocking(fd)
    assert await guest.try_command(f"connect {number} 127.0.0.1 7300") is Errno.INPROGRESS
    await guest.accept(listener)
    assert await guest.control_command(f"error {number}") == "0"
    assert (await guest.fdstat(fd)).flags is FdFlag.NONBLOCK


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    command=st.one_of(
        st.binary(max_size=1100),
        st.builds(
            " ".join,
            st.lists(
                st.sampled_from(
                    ["bind", "listen", "connect", "local", "remote", "error", "get", "set", "dns",
                     "shutdown", "0.0.0.0", "127.0.0.1", "0", "1", "2", "-1", "65535", "99999",
                     "4294967295", "4294967296", "linger", "sndbuf", "2147483647", ""]
                ),
                max_size=7,
            ),
        ).map(str.encode),
    )
)  # fmt: skip
async def test_any_command_gets_an_answer(guest: Puppet, command: bytes) -> None:
    control = await guest.open_net("ctl", FdFlag.NONBLOCK)
    await guest.try_write(control, command)
    await guest.try_read(control)
    await guest.close(control)
    assert await guest.ask("hostname")
