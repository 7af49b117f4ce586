"""The deny set: addresses that no pod reaches unless a rule names them.

A machine's own services, the networks it stands in and its cloud's metadata trust whoever can
reach them; a name that somebody outside controls may lead to any of them (DNS rebinding), and so
may an IPv6 address that only carries an IPv4 one. So each resolved address is looked up here.

**What lifts the denial.** Only a rule for a block or an address, and only one that lies wholly
inside the range that denies the address: `10.0.0.0/8` and `10.1.2.3` do for 10.1.2.3, `0.0.0.0/0`
does not. Of several ranges the smallest decides, so a metadata address and the node's own addresses
need a rule for that very address. A rule for a name never lifts anything.

**What nothing lifts.** Guarded ports: those of what runs the deployment itself, which takes orders
from whoever reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vnet.configuration import EgressRule, GuardedPorts

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class DeniedRange:
    """Addresses that are denied for a reason."""

    block: Network
    reason: str


_IPV4 = {
    "0.0.0.0/8": "this network (RFC 791)",
    "10.0.0.0/8": "private (RFC 1918)",
    "100.64.0.0/10": "shared by a carrier's customers (RFC 6598)",
    "100.100.100.200/32": "a cloud's metadata",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's metadata",
    "169.254.0.0/16": "link-local (RFC 3927)",
    "169.254.169.254/32": "a cloud's metadata",
    "172.16.0.0/12": "private (RFC 1918)",
    "192.0.0.0/24": "protocol assignments (RFC 6890)",
    "192.0.0.192/32": "a cloud's metadata",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.88.99.0/24": "6to4 relays (RFC 7526)",
    "192.168.0.0/16": "private (RFC 1918)",
    "198.18.0.0/15": "benchmarking (RFC 2544), here the gateway's own",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved (RFC 1112)",
}
_IPV6 = {
    "::/96": "IPv4-compatible (deprecated by RFC 4291)",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "64:ff9b:1::/48": "local-use translation (RFC 8215)",
    "100::/64": "discard (RFC 6666)",
    "2001::/23": "protocol assignments (RFC 2928), Teredo among them",
    "2001:db8::/32": "documentation (RFC 3849)",
    "3fff::/20": "documentation (RFC 9637)",
    "fc00::/7": "unique local (RFC 4193)",
    "fd00:ec2::254/128": "a cloud's metadata",
    "fd20:ce::254/128": "a cloud's metadata",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local (RFC 3879)",
    "ff00::/8": "multicast",
}
_CARRIED_AT = {"::ffff:0:0:0": 0, "64:ff9b::": 0, "2002::": 80}
"""Prefixes of IPv6 addresses that carry an IPv4 address, and how many bits follow it: translated
(RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056)."""


def _carried(block: IPv4Network, reason: str) -> Iterator[DeniedRange]:
    """The ranges of IPv6 addresses that carry an address of `block`."""
    for prefix, shift in _CARRIED_AT.items():
        base = int(IPv6Address(prefix)) | int(block.network_address) << shift
        length = 128 - shift - (32 - block.prefixlen)
        yield DeniedRange(IPv6Network((base, length)), f"carries an IPv4 address: {reason}")


def _table() -> tuple[DeniedRange, ...]:
    ranges = [DeniedRange(ip_network(text), reason) for text, reason in (_IPV4 | _IPV6).items()]
    for text, reason in _IPV4.items():
        ranges.extend(_carried(IPv4Network(text), reason))
    return tuple(sorted(ranges, key=lambda one: -one.block.prefixlen))


_RANGES = _table()
"""The smallest first; among IPv4's and IPv6's no range ever counts for the other."""


def canonical(address: Address) -> Address:
    """Return an IPv4-mapped address as the IPv4 address that it is; others unchanged."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        return IPv6Address(int(address))  # without a zone, which no block has
    return address


def denied_range(address: Address, *, own: bool = False) -> DeniedRange | None:
    """Return the smallest range that denies an address; None when none does.

    Args:
        address: In its canonical form.
        own: Whether it is one of the node's own addresses.
    """
    found = next((one for one in _RANGES if address in one.block), None)
    if own and not address.is_loopback:
        return DeniedRange(ip_network(address), "an address of this machine")
    return found


def guarding(
    address: Address, port: int, guarded: Iterable[GuardedPorts], *, own: bool = False
) -> GuardedPorts | None:
    """Return what keeps an address and port from everybody; None when nothing does.

    Args:
        address: In its canonical form.
        port: The port.
        guarded: What is kept from everybody.
        own: Whether it is one of the node's own addresses.
    """
    meant = {address, _carried_by(address)}
    return next(
        (
            one
            for one in guarded
            if ((own and one.is_here) or not meant.isdisjoint(one.addresses))
            and any(ports.first <= port <= ports.last for ports in one.ports)
        ),
        None,
    )


def _carried_by(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries; itself when it carries none."""
    if isinstance(address, IPv6Address):
        for prefix, shift in _CARRIED_AT.items():
            length = 128 - shift - 32
            if address in IPv6Network((prefix, length)):
                return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return address


def lifting_rule(denied: DeniedRange, rules: Iterable[EgressRule]) -> EgressRule | None:
    """Return the first of the rules that cover an address that names it explicitly enough."""
    return next((rule for rule in rules if _inside(rule.block, denied.block)), None)


def _inside(block: Network | None, outer: Network) -> bool:
    if isinstance(block, IPv4Network) and isinstance(outer, IPv4Network):
        return block.subnet_of(outer)
    if isinstance(block, IPv6Network) and isinstance(outer, IPv6Network):
        return block.subnet_of(outer)
    return False
