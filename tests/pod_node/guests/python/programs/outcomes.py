"""What sockets do: every scenario's outcome as one line of JSON.

Runs in a pod and on the machine itself, whose answers are the truth. Knows nothing of either.
"""

import errno
import json
import select
import socket
import struct
import sys
from collections.abc import Callable

SCENARIOS: dict[str, Callable[[], object]] = {}
HOST = "127.0.0.1"
SHORT_S = 0.02


def scenario(function: Callable[[], object]) -> Callable[[], object]:
    SCENARIOS[function.__name__] = function
    return function


def outcome(call: Callable[..., object], *arguments: object) -> object:
    """Return what a call gives, or the kind and errno of its exception."""
    try:
        result = call(*arguments)
    except socket.gaierror as error:
        return f"gaierror {error.errno} {error.strerror}"
    except TimeoutError as error:
        return f"TimeoutError {error}"
    except OSError as error:
        return f"{type(error).__name__} {code(error.errno or 0)}"
    except (ValueError, TypeError, OverflowError) as error:
        return type(error).__name__
    return result.decode("latin-1") if isinstance(result, bytes) else result


def listener(backlog: int = 5) -> socket.socket:
    server = socket.socket()
    server.bind((HOST, 0))
    server.listen(backlog)
    return server


def connected() -> tuple[socket.socket, socket.socket]:
    with listener() as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def free_port() -> int:
    with listener() as server:
        return int(server.getsockname()[1])


def code(number: int) -> str:
    if number == errno.EPIPE:
        return "EPIPE"  # WASI has the same number for ESHUTDOWN
    return errno.errorcode.get(number, str(number))


@scenario
def connecting_where_nobody_listens() -> object:
    port = free_port()
    patient = socket.socket()
    patient.settimeout(5)
    return [
        outcome(socket.socket().connect, (HOST, port)),
        outcome(patient.connect, (HOST, port)),
        code(socket.socket().connect_ex((HOST, port))),
        outcome(socket.create_connection, (HOST, port)),
    ]


@scenario
def connecting_without_waiting() -> object:
    with listener() as server:
        client = socket.socket()
        client.setblocking(False)
        started = client.connect_ex(server.getsockname())
        ready = select.select([], [client], [], 5)[1] == [client]
        error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        again = code(client.connect_ex(server.getsockname()))
        return [started in (0, errno.EINPROGRESS), ready, error, again in ("0", "EISCONN")]


@scenario
def a_refusal_without_waiting() -> object:
    client = socket.socket()
    client.setblocking(False)
    started = client.connect_ex((HOST, free_port()))
    if started == errno.EINPROGRESS:
        select.select([], [client], [], 5)
        started = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code(started)


@scenario
def reading_what_a_closed_peer_sent() -> object:
    client, server = connected()
    client.sendall(b"last words")
    client.close()
    return [outcome(server.recv, 4), outcome(server.recv, 100), outcome(server.recv, 100)]


@scenario
def a_peer_that_closes_without_reading() -> object:
    client, server = connected()
    client.sendall(b"unread")
    select.select([server], [], [], 5)
    server.close()
    select.select([client], [], [], 5)
    return [outcome(client.recv, 10), outcome(client.recv, 10), outcome(client.send, b"x")]


@scenario
def sending_to_a_closed_peer() -> object:
    client, server = connected()
    server.close()
    select.select([client], [], [], 5)
    return [
        outcome(client.send, b"first"),
        outcome(client.send, b"second"),
        outcome(client.send, b"third"),
        outcome(client.recv, 10),
    ]


@scenario
def a_close_with_linger_zero() -> object:
    client, server = connected()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    packed = server.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
    server.close()
    return [list(struct.unpack("ii", packed)), outcome(client.recv, 10), outcome(client.recv, 10)]


@scenario
def half_closed_for_writing() -> object:
    client, server = connected()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    heard = [outcome(server.recv, 100), outcome(server.recv, 100)]
    server.sendall(b"answer")
    server.close()
    return [
        *heard,
        outcome(client.send, b"more"),
        outcome(client.recv, 100),
        outcome(client.recv, 100),
    ]


@scenario
def half_closed_for_reading() -> object:
    client, server = connected()
    client.shutdown(socket.SHUT_RD)
    return [outcome(client.recv, 10), outcome(client.send, b"x"), outcome(server.recv, 10)]


@scenario
def shutting_down_both_halves() -> object:
    client, server = connected()
    client.shutdown(socket.SHUT_RDWR)
    return [outcome(server.recv, 1), outcome(client.recv, 1), outcome(client.send, b"x")]


@scenario
def shutting_down_the_unconnected() -> object:
    return [
        outcome(socket.socket().shutdown, socket.SHUT_RDWR),
        outcome(connected()[0].shutdown, 7),
    ]


@scenario
def timeouts() -> object:
    client, server = connected()
    for end in client, server:
        end.settimeout(SHORT_S)
    waiting = listener()
    waiting.settimeout(SHORT_S)
    return [
        outcome(client.recv, 1),
        outcome(client.recv_into, bytearray(4)),
        outcome(client.sendall, bytes(64 << 20)),
        outcome(waiting.accept),
        client.gettimeout(),
        server.getblocking(),
    ]


@scenario
def not_waiting() -> object:
    client, _server = connected()
    client.setblocking(False)
    waiting = listener()
    waiting.setblocking(False)
    full = b"x" * (1 << 20)
    while isinstance(last := outcome(client.send, full), int):
        pass
    return [
        outcome(client.recv, 1),
        outcome(waiting.accept),
        last,
        client.gettimeout(),
        client.getblocking(),
    ]


@scenario
def an_accepted_socket_waits_again() -> object:
    with listener() as server:
        server.settimeout(5)
        client = socket.create_connection(server.getsockname())
        accepted, peer = server.accept()
        return [accepted.gettimeout(), peer == client.getsockname()]


@scenario
def addresses() -> object:
    with listener() as server:
        fresh = socket.socket()
        before = [outcome(fresh.getsockname), outcome(fresh.getpeername)]
        fresh.connect(server.getsockname())
        accepted, peer = server.accept()
        return [
            before,
            fresh.getsockname() == peer == accepted.getpeername(),
            fresh.getpeername() == accepted.getsockname() == server.getsockname(),
            peer[0],
            peer[1] > 1024,
            outcome(server.getpeername),
        ]


@scenario
def an_address_that_is_taken() -> object:
    with listener() as server:
        return [
            outcome(socket.socket().bind, server.getsockname()),
            outcome(socket.socket().bind, ("", server.getsockname()[1])),
        ]


@scenario
def addresses_that_cannot_be_bound() -> object:
    bound = listener()
    return [
        outcome(socket.socket().bind, ("192.0.2.7", 0)),
        outcome(bound.bind, (HOST, 0)),
        outcome(socket.socket().bind, (HOST, 65536)),
        outcome(socket.socket().bind, (HOST, -1)),
        outcome(socket.socket().bind, (HOST,)),
        outcome(socket.socket().bind, HOST),
        outcome(socket.socket().bind, (HOST, "80")),
        outcome(socket.socket().bind, ("no such name", 80)),
    ]


@scenario
def listening_without_an_address() -> object:
    server = socket.socket()
    server.listen()
    return [server.getsockname()[0], server.getsockname()[1] > 1024]


@scenario
def calls_in_the_wrong_state() -> object:
    client, _server = connected()
    fresh = socket.socket()
    bound = socket.socket()
    bound.bind((HOST, 0))
    return [
        outcome(fresh.accept),
        outcome(bound.accept),
        outcome(fresh.recv, 1),
        outcome(fresh.send, b"x"),
        outcome(client.accept),
        outcome(client.listen),
        outcome(client.connect, (HOST, 9)),
        outcome(client.bind, (HOST, 0)),
        outcome(listener().recv, 1),
        outcome(listener().connect, (HOST, 9)),
    ]


@scenario
def a_closed_socket() -> object:
    client, _server = connected()
    client.close()
    return [
        client.fileno(),
        outcome(client.recv, 1),
        outcome(client.send, b"x"),
        outcome(client.getsockname),
        outcome(client.connect, (HOST, 9)),
        outcome(client.listen),
        outcome(client.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    ]


@scenario
def a_detached_socket_lives_on() -> object:
    client, server = connected()
    revived = socket.socket(fileno=client.detach())
    revived.sendall(b"still here")
    return [client.fileno(), outcome(server.recv, 100), int(revived.family), int(revived.type)]


@scenario
def a_listener_that_closes_with_connections_waiting() -> object:
    with listener() as server:
        client = socket.create_connection(server.getsockname())
    return [outcome(client.recv, 1), outcome(client.recv, 1)]


@scenario
def receiving_into_buffers() -> object:
    client, server = connected()
    client.sendall(b"0123456789" * 3)
    room = bytearray(10)
    counts = [
        server.recv_into(room),
        server.recv_into(room, 4),
        server.recv_into(memoryview(room)[5:]),
    ]
    parts = [bytearray(3), bytearray(4)]
    received = server.recvmsg_into(parts)
    return [
        counts,
        room.decode(),
        [received[0], received[1], received[2]],
        [part.decode() for part in parts],
        outcome(server.recv_into, room, 11),
        outcome(server.recv_into, room, -1),
        outcome(server.recv, -1),
        outcome(server.recv, 0),
        outcome(server.recv_into, bytearray()),
    ]


@scenario
def sending_buffers() -> object:
    client, server = connected()
    sent = [
        client.sendmsg([b"ab", bytearray(b"cd"), memoryview(b"ef")]),
        client.send(memoryview(b"gh")),
        outcome(client.sendall, bytearray(b"ij")),
        client.sendto(b"kl", (HOST, 9)),
        client.sendmsg([]),
        client.send(b""),
    ]
    client.close()
    received = b""
    while part := server.recv(100):
        received += part
    return [sent, received.decode(), outcome(server.send, "text")]


@scenario
def receiving_with_an_address() -> object:
    client, server = connected()
    client.sendall(b"abcdef")
    data, ancillary, _flags, _address = server.recvmsg(2)
    return [
        data.decode(),
        ancillary,
        server.recvfrom(2)[0].decode(),
        server.recvfrom_into(bytearray(2))[0],
    ]


@scenario
def flags() -> object:
    client, server = connected()
    client.sendall(b"abc", socket.MSG_NOSIGNAL)
    heard = [
        server.recv(3, socket.MSG_WAITALL).decode(),
        outcome(server.recv, 3, socket.MSG_DONTWAIT),
    ]
    client.sendall(b"de")
    client.close()
    return [*heard, server.recv(3, socket.MSG_WAITALL).decode(), server.gettimeout()]


@scenario
def peeking() -> object:
    client, server = connected()
    client.sendall(b"abc")
    seen = [server.recv(2, socket.MSG_PEEK).decode(), server.recv(9, socket.MSG_PEEK).decode()]
    socket.setdefaulttimeout(SHORT_S)
    seen.append(server.recv(1, socket.MSG_PEEK).decode())
    inherited = socket.socket().gettimeout()
    socket.setdefaulttimeout(None)
    taken = server.recv(9).decode()
    server.settimeout(SHORT_S)
    return [
        seen,
        inherited,
        taken,
        outcome(server.recv, 1, socket.MSG_PEEK),
        outcome(server.recv, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT),
        server.gettimeout(),
    ]


@scenario
def duplicates() -> object:
    client, server = connected()
    second = client.dup()
    second.sendall(b"by the copy, ")
    second.close()
    client.sendall(b"by the first")
    server.settimeout(SHORT_S)
    heard = b""
    while isinstance(part := outcome(server.recv, 100), str) and "timed" not in part:
        heard += part.encode()
    with listener() as waiting:
        copy = waiting.dup()
    late = socket.create_connection(copy.getsockname())
    return [
        heard.decode(),
        second.fileno(),
        copy.accept()[1] == late.getsockname(),
        socket.fromfd(client.fileno(), socket.AF_INET, socket.SOCK_STREAM).getpeername()[0],
    ]


@scenario
def options() -> object:
    client = socket.socket()
    told = []
    for level, name, value in (
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.SOL_SOCKET, socket.SO_BROADCAST, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_IP, socket.IP_TOS, 16),
    ):
        before = client.getsockopt(level, name)
        client.setsockopt(level, name, value)
        told.append([before, client.getsockopt(level, name)])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, struct.pack("i", 0))
    return [
        told,
        client.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR),
        client.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM,
        client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
        client.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
        listener().getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
        client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 4) == struct.pack("i", 1),
        outcome(client.setsockopt, socket.SOL_SOCKET, 9999, 1),
        outcome(client.getsockopt, socket.IPPROTO_TCP, 9999),
        outcome(client.setsockopt, socket.SOL_SOCKET, socket.SO_TYPE, 1),
        outcome(client.setsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE, b"1"),
    ]


@scenario
def times_that_calls_wait() -> object:
    client, server = connected()
    short = struct.pack("ll", 0, 20_000)
    before = client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, len(short))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, short)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, short)
    with listener() as waiting:
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, short)
        nobody = outcome(waiting.accept)
    silence = outcome(client.recv, 1)
    while not isinstance(full := outcome(client.send, bytes(1 << 16)), str):
        pass
    server.send(b"x")
    return [
        before == bytes(len(short)),
        client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, len(short)) == short,
        silence,
        nobody,
        full,
        outcome(client.recv, 1),
        outcome(client.setsockopt, socket.SOL_SOCKET, socket.SO_RCVTIMEO, 5),
        outcome(
            client.setsockopt, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 1 << 20)
        ),
    ]


@scenario
def kinds_of_sockets() -> object:
    flagged = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    return [
        [int(flagged.family), int(flagged.type), flagged.proto, flagged.gettimeout()],
        outcome(socket.socket, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP),
        outcome(socket.socket, 77),
    ]


@scenario
def readiness() -> object:
    client, server = connected()
    quiet = select.select([client, server], [client, server], [], 0)
    client.sendall(b"x")
    spoken = select.select([client, server], [], [], 5)
    server.recv(1)
    client.close()
    poller = select.poll()
    poller.register(server, select.POLLIN)
    return [
        [len(part) for part in quiet],
        spoken[0] == [server],
        [event & select.POLLIN for _, event in poller.poll(5000)] == [select.POLLIN],
        outcome(server.recv, 1),
    ]


@scenario
def files() -> object:
    client, server = connected()
    with (
        client.makefile("rwb") as out,
        server.makefile("r", encoding="utf-8", newline="\n") as lines,
    ):
        out.write("grüße\nzwei\n".encode())
        out.flush()
        heard = [lines.readline(), lines.readline()]
    client.close()
    return [heard, outcome(server.recv, 1)]


@scenario
def pairs() -> object:
    first, second = socket.socketpair()
    first.sendall(b"across")
    heard = outcome(second.recv, 100)
    first.close()
    return [heard, outcome(second.recv, 1)]


@scenario
def numeric_addresses() -> object:
    stream = socket.SOCK_STREAM
    return [
        outcome(socket.getaddrinfo, "10.1.2.3", 80, 0, stream),
        outcome(socket.getaddrinfo, "10.1.2.3", None),
        outcome(socket.getaddrinfo, "10.1.2.3", "http", socket.AF_INET, stream),
        outcome(socket.getaddrinfo, None, 8080, socket.AF_INET, stream),
        outcome(socket.getaddrinfo, None, 80, socket.AF_INET, stream, 0, socket.AI_PASSIVE),
        outcome(socket.getaddrinfo, "localhost", 80, socket.AF_INET, stream),
        outcome(socket.getaddrinfo, "a name", 80, 0, stream, 0, socket.AI_NUMERICHOST),
        outcome(socket.getaddrinfo, "10.1.2.3", 80, 0, stream, 0, socket.AI_CANONNAME),
        outcome(socket.getaddrinfo, "10.1.2.3", "no-such-service", 0, stream),
        outcome(socket.getaddrinfo, "10.1.2.3", 80, 77),
        outcome(socket.getaddrinfo, None, None),
        outcome(socket.getaddrinfo, b"10.1.2.3", b"443", 0, stream),
        outcome(socket.gethostbyname, "10.1.2.3"),
        outcome(socket.gethostbyname, "localhost"),
        outcome(
            socket.getnameinfo, ("10.1.2.3", 81), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        ),
    ]


@scenario
def tables() -> object:
    return [
        outcome(socket.getservbyname, "https"),
        outcome(socket.getservbyname, "http", "tcp"),
        outcome(socket.getservbyname, "no-such-service"),
        outcome(socket.getservbyport, 443),
        outcome(socket.getprotobyname, "tcp"),
        outcome(socket.getprotobyname, "no-such-protocol"),
        outcome(socket.inet_aton, "10.1.2.3"),
        outcome(socket.inet_ntoa, b"\x0a\x01\x02\x03"),
        outcome(socket.inet_ntoa, b"\x0a"),
        outcome(socket.inet_pton, socket.AF_INET, "10.1.2.3"),
        outcome(socket.inet_pton, socket.AF_INET6, "fe80::1"),
        outcome(socket.inet_pton, socket.AF_INET, "10.1.2"),
        outcome(socket.inet_ntop, socket.AF_INET6, bytes(15) + b"\x01"),
        outcome(socket.htons, 1),
        outcome(socket.ntohl, 1),
    ]


@scenario
def servers_of_the_library() -> object:
    with socket.create_server((HOST, 0), backlog=1) as server:
        client = socket.create_connection(server.getsockname(), timeout=5)
        accepted, _ = server.accept()
        accepted.sendall(b"served")
        return [outcome(client.recv, 100), client.gettimeout()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: function() for name, function in SCENARIOS.items()}) + "\n")
