"""A resolver of its own, as far as it goes: SERVER, then names; prints a line for each.

Asks over UDP, and over TCP when the answer was truncated.
"""

import socket
import struct
import sys
from collections.abc import Iterator

A, TRUNCATED = 1, 0x0200


def question(number: int, name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, A, 1)


def over_udp(server: str, query: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(10)
        udp.sendto(query, (server, 53))
        answer, sender = udp.recvfrom(512)
        assert sender == (server, 53), sender
        return answer


def over_tcp(server: str, query: bytes) -> bytes:
    with socket.create_connection((server, 53), timeout=10) as tcp:
        tcp.sendall(struct.pack(">H", len(query)) + query)
        stream = tcp.makefile("rb")
        (size,) = struct.unpack(">H", stream.read(2))
        return stream.read(size)


def addresses(query: bytes, answer: bytes) -> Iterator[str]:
    """The A records; their owners are compressed to two bytes."""
    count = struct.unpack_from(">H", answer, 6)[0]
    at = len(query)
    for _ in range(count):
        _, kind, _, _, size = struct.unpack_from(">HHHIH", answer, at)
        if kind == A:
            yield socket.inet_ntoa(answer[at + 12 : at + 12 + size])
        at += 12 + size


for number, name in enumerate(sys.argv[2:], start=1):
    query = question(number, name)
    answer = over_udp(sys.argv[1], query)
    how = "udp"
    if struct.unpack_from(">H", answer, 2)[0] & TRUNCATED:
        answer = over_tcp(sys.argv[1], query)
        how = "tcp"
    assert answer[:2] == query[:2]
    found = list(addresses(query, answer))
    sys.stdout.write(f"{name} {how} {answer[3] & 15} {len(found)} {' '.join(found[:2])}\n")
