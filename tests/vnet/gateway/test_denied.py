"""The deny set, and what lifts it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnet.gateway import parse_rule
from vnet.gateway.denied import canonical, denied_range, lifting_rule
from vnet.gateway.rules import block_rules

INSIDE = {
    "0.1.2.3": "this network",
    "10.1.2.3": "private",
    "100.64.0.1": "carrier",
    "100.100.100.200": "metadata",
    "127.0.0.1": "loopback",
    "127.255.255.255": "loopback",
    "168.63.129.16": "metadata",
    "169.254.1.1": "link-local",
    "169.254.169.254": "metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "assignments",
    "192.0.0.192": "metadata",
    "192.168.255.1": "private",
    "198.18.0.1": "gateway's own",
    "198.19.255.255": "gateway's own",
    "224.0.0.1": "multicast",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": "metadata",
    "::ffff:0:10.0.0.1": "carries",
    "64:ff9b::169.254.169.254": "metadata",
    "64:ff9b::a00:1": "private",
    "64:ff9b:1::1": "translation",
    "2002:7f00:1::1": "loopback",
    "2002:a9fe:a9fe::1": "metadata",
    "2001::1": "Teredo",
    "fc00::1": "unique local",
    "fd00:ec2::254": "metadata",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize(("text", "reason"), INSIDE.items())
def test_addresses_that_somebody_trusts_are_denied(text: str, reason: str) -> None:
    denied = denied_range(canonical(ip_address(text)))
    assert denied is not None
    assert reason in denied.reason


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.128.0.0",
        "172.32.0.1",
        "192.0.1.1",
        "8.8.8.8",
        "2606:4700::1",
        "2a00::1",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "::ffff:8.8.8.8",
    ],
)
def test_public_addresses_are_not(text: str) -> None:
    assert denied_range(canonical(ip_address(text))) is None


def lifted(address: str, *rules: str, own: bool = False) -> str | None:
    found = canonical(ip_address(address))
    denied = denied_range(found, own=own)
    assert denied is not None
    rule = lifting_rule(denied, block_rules([parse_rule(one) for one in rules], found, 80))
    return rule.text if rule else None


def test_only_a_block_inside_the_denied_range_lifts_it() -> None:
    assert lifted("10.1.2.3", "0.0.0.0/0:80") is None
    assert lifted("10.1.2.3", "*:80") is None
    assert lifted("10.1.2.3", "8.0.0.0/5:80") is None
    assert lifted("10.1.2.3", "10.0.0.0/8:443") is None
    assert lifted("10.1.2.3", "0.0.0.0/0:80", "10.0.0.0/8:80") == "10.0.0.0/8:80"
    assert lifted("10.1.2.3", "10.1.2.3:80") == "10.1.2.3:80"
    assert lifted("::1", "[::1]:80") == "[::1]:80"
    assert lifted("::1", "[::]/0:80") is None
    assert lifted("64:ff9b::a00:1", "[64:ff9b::]/96:80", "10.0.0.0/8:80") is None
    assert lifted("64:ff9b::a00:1", "[64:ff9b::a00:0]/104:80") is not None


def test_metadata_needs_a_rule_of_its_own() -> None:
    assert lifted("169.254.169.254", "169.254.0.0/16:80") is None
    assert lifted("169.254.169.254", "169.254.169.254:80") == "169.254.169.254:80"
    assert lifted("169.254.1.1", "169.254.0.0/16:80") == "169.254.0.0/16:80"


def test_the_nodes_own_addresses_need_one_as_well() -> None:
    assert denied_range(ip_address("192.0.1.1"), own=True) is not None
    assert lifted("10.1.2.3", "10.0.0.0/8:80", own=True) is None
    assert lifted("10.1.2.3", "10.1.2.3:80", own=True) == "10.1.2.3:80"
    assert lifted("127.0.0.1", "127.0.0.0/8:80", own=True) == "127.0.0.0/8:80"


@given(st.ip_addresses(v=4))
def test_an_address_carried_by_another_is_denied_with_it(address: IPv4Address) -> None:
    """The machine's own library is the oracle where it knows ranges."""
    number = int(address)
    carriers = [IPv6Address(0x0064FF9B << 96 | number), IPv6Address(0x2002 << 112 | number << 80)]
    denied = denied_range(address) is not None
    assert [denied_range(carrier) is not None for carrier in carriers] == [denied] * 2
    assert canonical(IPv6Address(0xFFFF << 32 | number)) == address
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert denied


@given(st.ip_addresses(v=6))
def test_what_is_private_in_ipv6_is_denied(address: IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local or address.is_site_local:
        assert denied_range(canonical(address)) is not None or address.ipv4_mapped is not None
