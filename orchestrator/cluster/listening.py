"""A machine's addresses, and on which ports its processes listen: read where it matters, on it.

Owns the reading of Linux's tables of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

PROC = Path("/proc")
_LISTENS = "0A"


def machine_addresses() -> tuple[str, ...]:
    """All addresses of this machine but those of loopback, which mean another one elsewhere."""
    found = [*_ipv4_addresses(), *_ipv6_addresses()]
    return tuple(sorted({text for text in found if not ip_address(text).is_loopback}))


def ephemeral_ports() -> tuple[int, int]:
    """The ports that whoever asks for none in particular gets one of."""
    words = _read(PROC / "sys/net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (32_768, 60_999)


def listening_ports(processes: Iterable[int]) -> tuple[int, ...]:
    """The TCP ports on which some processes listen, as far as we may look into them."""
    listeners = _listeners()
    ports = {listeners[inode] for pid in processes for inode in _sockets(pid) if inode in listeners}
    return tuple(sorted(ports))


def _ipv4_addresses() -> Iterator[str]:
    leaf = ""
    for line in _read(PROC / "net/fib_trie").splitlines():
        if "|--" in line:
            leaf = line.rpartition(" ")[2]
        elif "/32 host LOCAL" in line:
            yield leaf


def _ipv6_addresses() -> Iterator[str]:
    for line in _read(PROC / "net/if_inet6").splitlines():
        yield str(IPv6Address(int(line.split()[0], 16)))


def _listeners() -> dict[str, int]:
    """The port of each socket that listens, by the socket's inode."""
    found: dict[str, int] = {}
    for table in ("net/tcp", "net/tcp6"):
        for line in _read(PROC / table).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENS:
                found[words[9]] = int(words[1].rpartition(":")[2], 16)
    return found


def _sockets(pid: int) -> Iterator[str]:
    try:
        with os.scandir(PROC / str(pid) / "fd") as entries:
            for entry in entries:
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]
    except OSError:  # it has ended, or is not ours
        return


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
