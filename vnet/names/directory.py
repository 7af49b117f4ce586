"""Which names lead to which addresses, network by network, as the orchestrator published them.

The kernel has the same names for lookups that need no DNS; this is the copy from which DNS is
answered. Names are lower case, without a final dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address


class Directory:
    """All published names of a node."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, tuple[IPv4Address, ...]]] = {}
        self._holders: dict[str, dict[IPv4Address, str]] = {}
        """By network, the name that an address has in reverse."""
        self._rotations: dict[tuple[str, str], int] = {}

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names of a network."""
        known = {name.lower(): tuple(addresses) for name, addresses in names.items() if addresses}
        self._names[network] = known
        self._holders[network] = _holders(known)
        for key in [key for key in self._rotations if key[0] == network and key[1] not in known]:
            del self._rotations[key]

    def remove(self, network: str) -> None:
        """Forget a network and all of its names."""
        self.publish(network, {})
        del self._names[network], self._holders[network]

    def networks(self) -> tuple[str, ...]:
        """Every network that names were published for."""
        return tuple(self._names)

    def find(self, networks: Iterable[str], name: str) -> tuple[IPv4Address, ...]:
        """Return what a name leads to on any of the networks, in rotating order."""
        found: dict[IPv4Address, None] = {}
        for network in networks:
            addresses = self._names.get(network, {}).get(name, ())
            if addresses:
                turn = self._rotations.get((network, name), 0) % len(addresses)
                self._rotations[network, name] = turn + 1
                found.update(dict.fromkeys(addresses[turn:] + addresses[:turn]))
        return tuple(found)

    def holder(self, networks: Iterable[str], address: IPv4Address) -> str | None:
        """Return the name of an address."""
        for network in networks:
            name = self._holders.get(network, {}).get(address)
            if name is not None:
                return name
        return None


def _holders(names: Mapping[str, Sequence[IPv4Address]]) -> dict[IPv4Address, str]:
    """Choose one name for each address: a replica's rather than a service's, in its full form."""
    holders: dict[IPv4Address, str] = {}
    order = sorted(names, key=lambda name: (len(names[name]), "." not in name, name))
    for name in order:
        for address in names[name]:
            holders.setdefault(address, name)
    return holders
