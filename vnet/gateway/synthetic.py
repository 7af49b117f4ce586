"""Addresses that stand for names of the world outside.

A pod that looks up a name outside gets an address from 198.18.0.0/15, which RFC 2544 keeps off the
Internet. When it connects there the gateway still knows the name, and nothing depends on what a
guest believes about the name's real addresses.

Each service has addresses of its own for the names that it asks for, so that one that asks for many
pushes out nobody else's. Of those it keeps the most recently used, and those in use.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

BLOCK = IPv4Network("198.18.0.0/15")
NAMES_MOST = 2048
"""Names of one service. A browser's page asks for some tens; sixty-four services have room."""


@dataclass(slots=True)
class _Entry:
    owner: str
    name: str
    address: IPv4Address
    connections: int = 0


class SyntheticAddresses:
    """Which address stands for which name."""

    def __init__(self, block: IPv4Network = BLOCK, names_most: int = NAMES_MOST) -> None:
        """Give out the addresses of `block` but its first and last.

        Args:
            block: The addresses.
            names_most: How many names an owner has at once.
        """
        self._fresh = iter(range(int(block.network_address) + 1, int(block.broadcast_address)))
        self._freed: deque[IPv4Address] = deque()
        self._names_most = names_most
        self._by_owner: dict[str, OrderedDict[str, _Entry]] = {}
        """Each owner's, the least recently used first."""
        self._by_address: dict[IPv4Address, _Entry] = {}

    def address_of(self, owner: str, name: str) -> IPv4Address | None:
        """Return the address that stands for a name; None when all are in use."""
        entries = self._by_owner.setdefault(owner, OrderedDict())
        entry = entries.get(name)
        if entry is None:
            if len(entries) >= self._names_most and not self._forget_one(entries):
                return None
            address = self._free_address()
            if address is None:
                return None
            entry = _Entry(owner, name, address)
            entries[name] = self._by_address[address] = entry
        entries.move_to_end(name)
        return entry.address

    def name_of(self, address: IPv4Address) -> str | None:
        """Return the name that an address stands for."""
        entry = self._by_address.get(address)
        return entry.name if entry else None

    def hold(self, address: IPv4Address) -> None:
        """Count a connection, during which the address keeps its meaning."""
        entry = self._by_address[address]
        entry.connections += 1
        self._by_owner[entry.owner].move_to_end(entry.name)

    def release(self, address: IPv4Address) -> None:
        """Count a connection that ended."""
        self._by_address[address].connections -= 1

    def _free_address(self) -> IPv4Address | None:
        """The one that has meant nothing for the longest time."""
        number = next(self._fresh, None)
        if number is not None:
            return IPv4Address(number)
        return self._freed.popleft() if self._freed else None

    def _forget_one(self, entries: OrderedDict[str, _Entry]) -> bool:
        entry = next((entry for entry in entries.values() if not entry.connections), None)
        if entry is None:
            return False
        del entries[entry.name]
        del self._by_address[entry.address]
        self._freed.append(entry.address)
        return True
