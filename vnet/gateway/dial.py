"""Connections to real hosts: resolving once, and dialling exactly what was checked.

Names go through the resolver of the machine. The addresses that it gives are dialled as they are,
never looked up again, so that no second answer can differ from the one that was checked.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

Resolve = Callable[[str], Awaitable[list[Address]]]
"""Gives a name's addresses in order of preference; raises `OSError` when there are none."""

STAGGER_S = 0.25
"""RFC 8305's recommendation: the next address is tried while the previous one is silent."""
DISCARD_PORT = 9
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_NOBODYS = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}
"""For documentation only: no machine's own."""
ADDRESSES_MOST = 32
"""Of one name; the rest is neither looked at nor tried."""
THREADS_MOST = 16
"""Names looked up at once."""


class MachineResolver:
    """Asks the machine's own resolver.

    With threads of its own: names that nobody answers for would else keep the loop's threads from
    everything that the node needs them for.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS_MOST, thread_name_prefix="podnet-resolver")

    async def __call__(self, name: str) -> list[Address]:
        """Return a name's addresses.

        Raises:
            OSError: The name has no address.
        """
        loop = asyncio.get_running_loop()
        ask = partial(socket.getaddrinfo, name, None, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(self._threads, ask)
        return [ip_address(sockaddr[0]) for *_, sockaddr in found if isinstance(sockaddr[0], str)]

    def close(self) -> None:
        """Give the threads back, when they have their answers."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_own(address: Address) -> bool:
    """Tell whether an address is this machine's: only its own can be bound.

    Where the system lets any address be bound (`ip_nonlocal_bind`), it is the address that the
    machine speaks from to this one; of several on one interface that finds the first.
    """
    return _speaks_from(address) if _binds(_NOBODYS[address.version]) else _binds(address)


def _binds(address: Address) -> bool:
    try:
        with socket.socket(_FAMILIES[address.version], socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
            return True
    except OSError:
        return False


def _speaks_from(address: Address) -> bool:
    try:
        with socket.socket(_FAMILIES[address.version], socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), DISCARD_PORT))  # sends nothing
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False


def interleave(addresses: Sequence[Address]) -> Iterator[Address]:
    """Alternate between families, beginning with the first address's (RFC 8305 4)."""
    first = [one for one in addresses if one.version == addresses[0].version]
    other = [one for one in addresses if one.version != addresses[0].version]
    for index in range(max(len(first), len(other))):
        yield from first[index : index + 1]
        yield from other[index : index + 1]


async def dial(
    addresses: Sequence[Address], port: int, stagger_s: float = STAGGER_S
) -> tuple[Address, socket.socket]:
    """Connect to the first address that answers.

    Args:
        addresses: At least one, in order of preference.
        port: Their port.
        stagger_s: How long an address is waited for before the next is tried as well.

    Raises:
        OSError: None of them could be reached; the most telling of the errors.
    """
    waiting = list(interleave(addresses))
    attempts: dict[asyncio.Task[socket.socket], Address] = {}
    errors: list[OSError] = []
    try:
        while waiting or attempts:
            if waiting:
                address = waiting.pop(0)
                attempts[_start(address, port)] = address
            done, _ = await asyncio.wait(
                attempts,
                timeout=stagger_s if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is None:
                    return attempts.pop(task), task.result()
                del attempts[task]
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
        raise _most_telling(errors)
    finally:
        for task in attempts:
            task.cancel()
            task.add_done_callback(_close_late)


def _start(address: Address, port: int) -> asyncio.Task[socket.socket]:
    loop = asyncio.get_running_loop()
    return loop.create_task(_connect(address, port), name=f"dial {address} port {port}")


async def _connect(address: Address, port: int) -> socket.socket:
    connecting = socket.socket(_FAMILIES[address.version], socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connecting, (str(address), port))
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came when another had been chosen."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _most_telling(errors: Sequence[OSError]) -> OSError:
    """A host that answered, if only to refuse, says more than one that cannot be reached."""
    for number in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT):
        for error in errors:
            if error.errno == number:
                return error
    return errors[0]
