"""Datagram sockets of a puppet: as files below `/net`, and the header that goes before a payload.

The header's layout is written down a second time on purpose: tests do not ask the kernel what is
right.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from tests.support.puppet import Puppet
from tests.support.wasi import Errno, FdFlag

HEADER = struct.Struct(">16sHH")
TRUNCATED = 1


@dataclass(frozen=True, slots=True)
class Received:
    """One datagram as a read with a header gives it."""

    payload: bytes
    sender: tuple[str, int]
    truncated: bool


def header(address: str, port: int, flags: int = 0) -> bytes:
    mapped = IPv6Address(f"::ffff:{IPv4Address(address)}").packed
    return HEADER.pack(mapped, port, flags)


def parse(data: bytes) -> Received:
    packed, port, flags = HEADER.unpack_from(data)
    mapped = IPv6Address(packed).ipv4_mapped
    assert mapped is not None
    return Received(data[HEADER.size :], (str(mapped), port), bool(flags & TRUNCATED))


class DatagramSocket:
    """One socket of one puppet."""

    def __init__(self, guest: Puppet, fd: int, port: int) -> None:
        self.guest, self.fd, self.port = guest, fd, port

    @classmethod
    async def bind(
        cls, guest: Puppet, port: int = 0, address: str = "0.0.0.0", flags: FdFlag = FdFlag.NONE
    ) -> DatagramSocket:
        fd = await guest.open_net(f"udp/bind/{address}/{port}", flags)
        return cls(guest, fd, (await guest.local(fd))[1])

    @classmethod
    async def connect(
        cls, guest: Puppet, address: str, port: int, flags: FdFlag = FdFlag.NONE
    ) -> DatagramSocket:
        fd = await guest.open_net(f"udp/connect/{address}/{port}", flags)
        return cls(guest, fd, (await guest.local(fd))[1])

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where others reach it."""
        return self.guest.guest.address, self.port

    async def try_send(self, data: bytes, to: tuple[str, int]) -> Errno:
        return await self.guest.try_write(self.fd, header(*to) + data)

    async def send(self, data: bytes, to: tuple[str, int]) -> None:
        assert await self.guest.write(self.fd, header(*to) + data) == HEADER.size + len(data)

    async def receive(self, size: int = 2048) -> Received:
        return parse(await self.guest.read(self.fd, HEADER.size + size))

    async def empty(self) -> bool:
        """Whether nothing waits; of a socket without blocking."""
        return await self.guest.try_read(self.fd) is Errno.AGAIN

    async def set(self, option: str, value: int) -> Errno:
        ident = await self.guest.socket_id(self.fd)
        return await self.guest.try_command(f"set {ident} {option} {value}")

    async def get(self, option: str) -> int:
        ident = await self.guest.socket_id(self.fd)
        return int(await self.guest.control_command(f"get {ident} {option}"))
