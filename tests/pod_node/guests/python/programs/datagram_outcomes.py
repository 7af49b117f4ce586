"""What datagram sockets do: every scenario's outcome as one line of JSON, as in `outcomes.py`.

Runs in a pod and on the machine itself, whose answers are the truth. Knows nothing of either.
"""

import asyncio
import json
import select
import socket
import socketserver
import sys
from collections.abc import Callable
from typing import cast

from outcomes import (  # type: ignore[import-not-found]  # it stands beside this file
    HOST,
    SHORT_S,
    code,
    outcome,
)

SCENARIOS: dict[str, Callable[[], object]] = {}
TIMEOUT_S = 5


def scenario(function: Callable[[], object]) -> Callable[[], object]:
    SCENARIOS[function.__name__] = function
    return function


def open_socket() -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(TIMEOUT_S)
    return one


def bound(host: str = HOST) -> socket.socket:
    one = open_socket()
    one.bind((host, 0))
    return one


def pair() -> tuple[socket.socket, socket.socket]:
    first, second = bound(), bound()
    first.connect(second.getsockname())
    second.connect(first.getsockname())
    return first, second


def nothing_more(one: socket.socket) -> object:
    """What a read meets; Python repeats even one that does not wait until the time is over."""
    one.settimeout(SHORT_S)
    return outcome(one.recv, 100, socket.MSG_DONTWAIT)


def unused_port() -> int:
    with bound() as one:
        return int(one.getsockname()[1])


@scenario
def boundaries_and_order() -> object:
    server, client = bound(), open_socket()
    for message in (b"one", b"", b"three" * 100):
        client.sendto(message, server.getsockname())
    messages = [server.recvfrom(2000) for _ in range(3)]
    return [
        [message.decode() for message, _ in messages],
        all(sender == (HOST, client.getsockname()[1]) for _, sender in messages),
        client.getsockname()[0],
    ]


@scenario
def what_does_not_fit_is_gone() -> object:
    server, client = bound(), open_socket()
    for _ in range(3):
        client.sendto(b"123456", server.getsockname())
    client.sendto(b"next", server.getsockname())
    short = server.recvmsg(2)
    into = bytearray(4)
    return [
        [short[0].decode(), short[1], short[2] == socket.MSG_TRUNC, short[3] is not None],
        outcome(server.recv, 3),
        [server.recvfrom_into(into)[0], into.decode()],
        outcome(server.recv, 100),
    ]


@scenario
def peeking_leaves_it_there() -> object:
    server, client = bound(), open_socket()
    client.sendto(b"peeked", server.getsockname())
    return [
        outcome(server.recv, 3, socket.MSG_PEEK),
        server.recvfrom(100, socket.MSG_PEEK)[0].decode(),
        server.recvfrom(100, socket.MSG_PEEK)[1] == (HOST, client.getsockname()[1]),
        outcome(server.recv, 100),
        nothing_more(server),
    ]


@scenario
def a_peer_of_ones_own() -> object:
    first, second = pair()
    stranger = open_socket()
    stranger.sendto(b"from a stranger", first.getsockname())
    second.send(b"from the peer")
    return [
        outcome(first.recv, 100),
        nothing_more(first),
        first.getpeername() == second.getsockname(),
        first.sendto(b"elsewhere", stranger.getsockname()),
        outcome(stranger.recv, 100),
        outcome(open_socket().getpeername),
        outcome(open_socket().send, b"to whom"),
        nothing_more(open_socket()),
    ]


@scenario
def nobody_at_the_port_of_a_peer() -> object:
    client, port = open_socket(), unused_port()
    client.connect((HOST, port))
    first = outcome(client.send, b"hello")
    select.select([client], [], [], TIMEOUT_S)
    asked = code(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    client.send(b"hello")
    read = outcome(client.recv, 100)
    client.send(b"hello")
    select.select([client], [], [], TIMEOUT_S)
    return [first, asked, read, outcome(client.send, b"hello")]


@scenario
def nobody_at_the_port_of_a_stranger() -> object:
    client = bound()
    client.settimeout(SHORT_S)
    sent = client.sendto(b"hello", (HOST, unused_port()))
    return [sent, outcome(client.recv, 100)]


@scenario
def sizes() -> object:
    server, client = bound(), open_socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    largest = client.sendto(bytes(65507), server.getsockname())
    return [
        largest,
        len(server.recv(70000)),
        outcome(client.sendto, bytes(65508), server.getsockname()),
        outcome(client.sendto, bytes(70000), server.getsockname()),
        outcome(client.sendto, b"x", (HOST, 0)),
        outcome(client.sendto, b"x", (HOST, 65536)),
        outcome(client.sendto, b"x"),
        outcome(client.sendto, b"x", "nonsense"),
    ]


@scenario
def ports_and_sharing() -> object:
    first = bound()
    port = first.getsockname()[1]
    beside, stream = open_socket(), socket.socket()
    stream.bind((HOST, port))
    taken = outcome(beside.bind, (HOST, port))
    again = outcome(first.bind, (HOST, 0))
    shared = [open_socket() for _ in range(2)]
    for one in shared:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared[0].bind((HOST, 0))
    shared[1].bind(shared[0].getsockname())
    open_socket().sendto(b"to the last", shared[0].getsockname())
    foreign = outcome(open_socket().bind, ("192.0.2.1", 0))
    return [taken, again, outcome(shared[1].recv, 100), foreign]


@scenario
def waiting() -> object:
    server = bound()
    server.settimeout(SHORT_S)
    quiet = [outcome(server.recv, 10), outcome(server.recvfrom, 10)]
    server.setblocking(False)
    return [*quiet, outcome(server.recv, 10), outcome(server.recvfrom, 10)]


@scenario
def polling() -> object:
    server, client = bound(), open_socket()
    before = select.select([server], [server], [], 0)
    client.sendto(b"ready", server.getsockname())
    after = select.select([server], [], [], TIMEOUT_S)[0] == [server]
    server.recv(100)
    return [before == ([], [server], []), after, select.select([server], [], [], 0)[0]]


@scenario
def shutting_down() -> object:
    lonely = outcome(open_socket().shutdown, socket.SHUT_RD)
    first, second = pair()
    second.send(b"before")
    first.shutdown(socket.SHUT_RD)
    first.settimeout(None)
    reads = [outcome(first.recv, 10), outcome(first.recv, 10)]
    second.shutdown(socket.SHUT_WR)
    return [lonely, *reads, outcome(second.send, b"after"), outcome(first.send, b"still")]


@scenario
def several_buffers() -> object:
    first, second = pair()
    sent = first.sendmsg([b"one ", b"two ", b"three"])
    named = open_socket().sendmsg([b"a", b"b"], [], 0, bound().getsockname())
    left, right = bytearray(6), bytearray(20)
    got = second.recvmsg_into([left, right])
    return [sent, named, got[0], got[1], got[2], (left + right)[: got[0]].decode()]


@scenario
def broadcasts_need_leave() -> object:
    one = open_socket()
    refused = outcome(one.sendto, b"all", ("255.255.255.255", 9))
    connected = outcome(one.connect, ("255.255.255.255", 9))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return [refused, connected, one.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)]


@scenario
def options() -> object:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    level = socket.SOL_SOCKET
    return [
        one.type == socket.SOCK_DGRAM,
        one.getsockopt(level, socket.SO_TYPE) == socket.SOCK_DGRAM,
        one.getsockopt(level, socket.SO_PROTOCOL) == socket.IPPROTO_UDP,
        one.getsockopt(level, socket.SO_RCVBUF),
        one.getsockopt(level, socket.SO_ERROR),
        outcome(one.listen, 5),
        outcome(one.accept),
        outcome(one.setsockopt, socket.IPPROTO_UDP, 12345, 1),
        outcome(one.getsockopt, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        socket.socket(fileno=one.dup().detach()).type == socket.SOCK_DGRAM,
        outcome(socket.socket, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP),
    ]


@scenario
def pairs_of_sockets() -> object:
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    first.send(b"one")
    first.send(b"two")
    return [outcome(second.recv, 100), outcome(second.recv, 100)]


@scenario
def names_of_services() -> object:
    found = socket.getaddrinfo(HOST, 53, type=socket.SOCK_DGRAM)
    return [[list(entry[:3]), entry[4]] for entry in found]


class Echo(asyncio.DatagramProtocol):
    """Answers every datagram, and notes errors."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait(data.decode())
        if data.startswith(b"echo"):
            self.transport.sendto(b"answer to " + data, addr)

    def error_received(self, exc: Exception) -> None:
        self.heard.put_nowait(type(exc).__name__)


async def converse() -> object:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    address = transport.get_extra_info("sockname")
    clients = [await loop.create_datagram_endpoint(Echo, remote_addr=address) for _ in range(3)]
    for number, (client, _) in enumerate(clients):
        client.sendto(f"echo {number}".encode())
    heard = [await client.heard.get() for _, client in clients]
    transport.close()
    await asyncio.sleep(0)
    clients[0][0].sendto(b"anybody")
    heard.append(await clients[0][1].heard.get())
    for client, _ in clients:
        client.close()
    return [heard, sorted(server.heard.get_nowait() for _ in range(3))]


@scenario
def endpoints_of_asyncio() -> object:
    return asyncio.run(asyncio.wait_for(converse(), TIMEOUT_S))


class Upper(socketserver.BaseRequestHandler):
    """Sends back in capitals what came."""

    def handle(self) -> None:
        data, one = self.request
        one.sendto(data.upper(), self.client_address)


@scenario
def servers_of_the_library() -> object:
    with socketserver.UDPServer((HOST, 0), Upper) as server, open_socket() as client:
        answers = []
        for message in (b"first", b"second"):
            client.sendto(message, server.server_address)
            server.handle_request()
            answers.append(outcome(client.recv, 100))
        return answers


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: function() for name, function in SCENARIOS.items()}) + "\n")
