"""What counts as a subnet of the virtual network, and which of its addresses are special.

Owns the rules for one subnet: how it is written, how large it may be, its gateway and its room for
pods. Who holds which address is `ipam.py`'s business. IPv4 only.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from vnet.errors import SubnetError

LONGEST_PREFIX = 30
"""A /31 has no room for a gateway and a pod beside the network and broadcast addresses."""
SHORTEST_PREFIX = 16
"""65,533 pods on one network; more would be a mistake in the file rather than a wish."""

RESERVED_ADDRESSES = 3
"""The network's own address, the gateway and the broadcast address are never given to pods."""

_UNUSABLE = {
    IPv4Network("0.0.0.0/8"): '"this host"',
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}

_EXAMPLE = "write it like 10.10.0.0/24"


def parse_block(text: str) -> IPv4Network:
    """Read a range of addresses in CIDR form.

    Raises:
        SubnetError: The text is no IPv4 range, or has host bits set.
    """
    address, slash, prefix = text.partition("/")
    if not slash:
        raise SubnetError(text, f"has no prefix length; {_EXAMPLE}")
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 2 and int(prefix) <= 32):
        raise SubnetError(text, f"has no prefix length between 0 and 32; {_EXAMPLE}")
    try:
        start = IPv4Address(address)
    except ValueError:
        raise SubnetError(text, f"is not an IPv4 range; {_EXAMPLE}") from None
    block = IPv4Network((start, int(prefix)), strict=False)
    if block.network_address != start:
        raise SubnetError(text, f"does not start at its first address; did you mean {block}?")
    return block


def parse_subnet(text: str) -> IPv4Network:
    """Read a network's range in CIDR form.

    Raises:
        SubnetError: The text is no IPv4 range, has host bits set, has a size outside /16 to /30, or
            lies in a range with a meaning of its own.
    """
    subnet = parse_block(text)
    if not SHORTEST_PREFIX <= subnet.prefixlen <= LONGEST_PREFIX:
        size = f"/{subnet.prefixlen}"
        raise SubnetError(text, f"is a {size}; use /{SHORTEST_PREFIX} to /{LONGEST_PREFIX}")
    for range_, meaning in _UNUSABLE.items():
        if subnet.overlaps(range_):
            raise SubnetError(text, f"lies in the {meaning} range {range_}; use a private range")
    return subnet


def gateway_of(subnet: IPv4Network) -> IPv4Address:
    """The first host address, which belongs to the network itself and never to a pod."""
    return subnet.network_address + 1


def pod_capacity(subnet: IPv4Network) -> int:
    """How many pods fit on the subnet."""
    return subnet.num_addresses - RESERVED_ADDRESSES
