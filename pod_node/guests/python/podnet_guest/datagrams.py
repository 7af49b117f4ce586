"""Datagrams with the address of the other end, in one call each.

The kernel puts a header before the payload for whoever asks by the mark `HEADERS` on a socket's
id. Only `sock_recv` and `sock_send` know it, so they are reached through the C type; all other
calls of a datagram socket are those of any file.
"""

from errno import EINVAL

from podnet_guest import linux
from podnet_guest.c_socket import c_socket
from podnet_guest.control import os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

SOCKET_BY_ID = 1 << 30
"""Added to a socket's id, gives what the kernel takes for its descriptor in socket calls."""
HEADERS = 1 << 29
"""Beside it: the call carries a header."""
HEADER_SIZE = 20
TO_PEER = bytes(HEADER_SIZE)
MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv4 address begins as an IPv6 address (RFC 4291 2.5.5.2)."""
TRUNCATED = 1

Received = tuple[bytes, tuple[str, int] | None, int]
"""Payload, sender (None when reading was shut down), `MSG_TRUNC` or 0."""


def open_by_id(number: int) -> c_socket.socket:
    """Make the C socket object that reaches `sock_recv` and `sock_send` with a marked id.

    It must not be closed, only detached: its number is no descriptor of this process.
    """
    default = c_socket.getdefaulttimeout()
    if default is None:
        return c_socket.socket(linux.AF_INET, linux.SOCK_STREAM, 0, SOCKET_BY_ID | number)
    c_socket.setdefaulttimeout(None)  # or the C type would set O_NONBLOCK on that number
    try:
        return c_socket.socket(linux.AF_INET, linux.SOCK_STREAM, 0, SOCKET_BY_ID | number)
    finally:
        c_socket.setdefaulttimeout(default)


def receive(identity: int, bufsize: int, flags: int) -> Received:
    """Receive one datagram of the socket with this id; `flags` are the C library's."""
    by_id = open_by_id(HEADERS | identity)
    try:
        answer = by_id.recv(HEADER_SIZE + bufsize, flags)
    finally:
        by_id.detach()
    if not answer:
        return b"", None, 0
    host = c_socket.inet_ntop(c_socket.AF_INET, answer[12:16])
    sender = host, int.from_bytes(answer[16:18], "big")
    return answer[HEADER_SIZE:], sender, linux.MSG_TRUNC if answer[19] & TRUNCATED else 0


def send(identity: int, header: bytes, data: "Buffer") -> int:
    """Send one datagram from the socket with this id and return its size."""
    by_id = open_by_id(HEADERS | identity)
    try:
        return by_id.send(header + bytes(data)) - HEADER_SIZE
    finally:
        by_id.detach()


def header_to(host: str, port: int) -> bytes:
    """Build the header of a datagram to an address."""
    if port == 0:
        raise os_error(EINVAL)
    address = c_socket.inet_pton(c_socket.AF_INET, host)
    return MAPPED + address + port.to_bytes(2, "big") + bytes(2)
