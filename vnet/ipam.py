"""Who holds which address: one pool per network, and a plan of pools that never overlap.

Owns the choice of subnets for networks that declare none, the refusal of overlaps, and the leases
of each pool. Pure: it keeps no file and reads no clock. How a subnet is written is `addresses.py`'s
business.

A fresh address depends only on the pool, on the owner's group (a service) and on its number in the
group (a replica). A pool is cut into equal blocks, one per group, so that a group which grows does
not move its neighbours; members for whom their block has no room are placed from the top of the
subnet downwards.
"""

from __future__ import annotations

from bisect import bisect_left
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from vnet.addresses import gateway_of, pod_capacity
from vnet.errors import (
    AddressTakenError,
    NoFreeSubnetError,
    PoolExhaustedError,
    SubnetOverlapError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

AUTOMATIC_SUBNETS = (
    *(IPv4Network((f"10.{second}.0.0", 16)) for second in range(88, 256)),
    *(IPv4Network((f"172.{second}.0.0", 16)) for second in range(16, 32)),
    *(IPv4Network((f"192.168.{third}.0", 24)) for third in range(256)),
)
"""Where subnets that nobody declared come from, in this order; private ranges of RFC 1918."""

_FIRST_POD_OFFSET = 2
"""Offset 0 is the network's own address, offset 1 its gateway."""


class AddressPool:
    """The addresses of one network and their owners."""

    def __init__(self, network: str, subnet: IPv4Network) -> None:
        self.network = network
        self.subnet = subnet
        self.gateway = gateway_of(subnet)
        self.capacity = pod_capacity(subnet)
        self._owners: dict[IPv4Address, str] = {}
        self._highest_free = subnet.num_addresses - 2

    def claim(self, address: IPv4Address, owner: str) -> None:
        """Give a certain address to an owner.

        Raises:
            AddressTakenError: The address is outside the subnet, reserved, or held by another
            owner.
        """
        if address not in self.subnet:
            raise AddressTakenError(self.network, str(address), f"is outside {self.subnet}")
        if address in (self.subnet.network_address, self.subnet.broadcast_address, self.gateway):
            raise AddressTakenError(
                self.network, str(address), "is reserved for the network itself"
            )
        holder = self._owners.setdefault(address, owner)
        if holder != owner:
            raise AddressTakenError(self.network, str(address), f"is held by {holder}")

    def preferred(self, group: int, member: int) -> IPv4Address | None:
        """The address of a group's member in an empty pool; None where its block has no room.

        Args:
            group: Position of the group among the pool's groups, from 0.
            member: Position of the member in the group, from 0.
        """
        block: int = 1 << ((self.subnet.max_prefixlen - self.subnet.prefixlen) // 2)
        offset = _FIRST_POD_OFFSET + group * block + member
        if member >= block or offset > self.subnet.num_addresses - 2:
            return None
        return self.subnet.network_address + offset

    def allocate(self, owner: str) -> IPv4Address:
        """Give the highest free address to an owner.

        Raises:
            PoolExhaustedError: Every address has an owner.
        """
        while self._highest_free >= _FIRST_POD_OFFSET:
            address = self.subnet.network_address + self._highest_free
            if address not in self._owners:
                self._owners[address] = owner
                return address
            self._highest_free -= 1
        raise PoolExhaustedError(self.network, str(self.subnet), self.capacity)

    def holder(self, address: IPv4Address) -> str | None:
        """Who holds an address."""
        return self._owners.get(address)


class AddressPlan:
    """The pools of a deployment, no two of which share an address."""

    def __init__(self) -> None:
        self._pools: dict[str, AddressPool] = {}
        self._by_start: list[AddressPool] = []
        """In the order of their addresses; they never overlap, so neighbours are all to look at."""

    def __getitem__(self, network: str) -> AddressPool:
        return self._pools[network]

    @property
    def pools(self) -> tuple[AddressPool, ...]:
        """The pools in the order in which they were added."""
        return tuple(self._pools.values())

    def add(self, network: str, subnet: IPv4Network) -> AddressPool:
        """Open the pool of a network with a declared subnet.

        Raises:
            SubnetOverlapError: Another network has some of these addresses.
        """
        place = bisect_left(self._by_start, subnet.network_address, key=_start)
        for other in self._by_start[max(place - 1, 0) : place + 1]:
            if other.subnet.overlaps(subnet):
                raise SubnetOverlapError(network, str(subnet), other.network, str(other.subnet))
        pool = self._pools[network] = AddressPool(network, subnet)
        self._by_start.insert(place, pool)
        return pool

    def add_automatic(self, network: str) -> AddressPool:
        """Open the pool of a network that declares no subnet.

        Preconditions: every declared subnet was added before.

        Raises:
            NoFreeSubnetError: Every automatic range overlaps a declared one.
        """
        taken = [pool.subnet for pool in self._pools.values()]
        return self.add(network, free_subnet(network, taken))


def _start(pool: AddressPool) -> IPv4Address:
    return pool.subnet.network_address


def free_subnet(network: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first automatic range that overlaps none of those taken.

    Raises:
        NoFreeSubnetError: There is none.
    """
    taken = tuple(taken)
    for candidate in AUTOMATIC_SUBNETS:
        if not any(candidate.overlaps(subnet) for subnet in taken):
            return candidate
    raise NoFreeSubnetError(network)
