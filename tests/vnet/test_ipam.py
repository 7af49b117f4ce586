from __future__ import annotations

import pickle
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from vnet import errors
from vnet.addresses import gateway_of, parse_subnet, pod_capacity
from vnet.ipam import AUTOMATIC_SUBNETS, AddressPlan, AddressPool, free_subnet

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

SUBNET = IPv4Network("10.10.0.0/24")

subnets = st.builds(
    lambda start, prefix: IPv4Network((start << 16, prefix)),
    st.integers(0x0A00, 0x0AFF),
    st.integers(16, 30),
)


def pool(subnet: str = "10.10.0.0/24") -> AddressPool:
    return AddressPool("front", IPv4Network(subnet))


@pytest.mark.parametrize("prefix", range(16, 31))
def test_every_prefix_from_16_to_30_is_a_subnet(prefix: int) -> None:
    assert parse_subnet(f"10.10.0.0/{prefix}") == IPv4Network(f"10.10.0.0/{prefix}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.10.0.0", "no prefix length"),
        ("10.10.0.0/", "no prefix length between"),
        ("10.10.0.0/33", "no prefix length between"),
        ("10.10.0.0/255.255.0.0", "no prefix length between"),
        ("10.10.0.0/15", "use /16 to /30"),
        ("10.10.0.0/31", "use /16 to /30"),
        ("10.10.0/24", "is not an IPv4 range"),
        ("fd00::/24", "is not an IPv4 range"),
        ("10.10.0.5/24", "did you mean 10.10.0.0/24?"),
        ("127.0.0.0/16", "loopback"),
        ("224.0.0.0/24", "multicast"),
        ("169.254.0.0/16", "link-local"),
        ("255.255.0.0/16", "reserved"),
        ("0.0.0.0/16", "this host"),
    ],
)
def test_what_is_no_subnet_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(errors.SubnetError, match=r"^subnet ") as raised:
        parse_subnet(text)
    assert reason in str(raised.value)


@calm
@given(st.text())
def test_any_text_is_a_subnet_or_a_subnet_error(text: str) -> None:
    try:
        parse_subnet(text)
    except errors.SubnetError as error:
        assert error.subnet == text


def test_the_first_host_address_is_the_gateway() -> None:
    assert gateway_of(SUBNET) == IPv4Address("10.10.0.1")


@calm
@given(subnets)
def test_a_pool_gives_every_pod_address_exactly_once_and_then_refuses(subnet: IPv4Network) -> None:
    small = IPv4Network((subnet.network_address, max(subnet.prefixlen, 24)))
    addresses = AddressPool("front", small)
    given_out = [addresses.allocate(f"pod-{n}") for n in range(pod_capacity(small))]
    assert set(given_out) == set(small.hosts()) - {gateway_of(small)}
    with pytest.raises(errors.PoolExhaustedError, match="no free address"):
        addresses.allocate("one-more")


@calm
@given(subnets, st.integers(0, 300), st.integers(0, 300))
def test_a_preferred_address_is_one_that_a_pod_may_have(
    subnet: IPv4Network, group: int, member: int
) -> None:
    address = AddressPool("front", subnet).preferred(group, member)
    if address is not None:
        assert address in subnet
        assert address not in (subnet.network_address, subnet.broadcast_address)
        assert address != gateway_of(subnet)


@calm
@given(subnets)
def test_preferred_addresses_of_different_members_differ(subnet: IPv4Network) -> None:
    addresses = AddressPool("front", subnet)
    preferred = [addresses.preferred(group, member) for group in range(30) for member in range(30)]
    found = [address for address in preferred if address is not None]
    assert found
    assert len(set(found)) == len(found)


def test_allocation_goes_around_claimed_addresses() -> None:
    addresses = pool("10.10.0.0/29")
    addresses.claim(IPv4Address("10.10.0.6"), "a-1")
    assert addresses.allocate("b-1") == IPv4Address("10.10.0.5")
    assert addresses.holder(IPv4Address("10.10.0.6")) == "a-1"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.10.1.2", "is outside 10.10.0.0/24"),
        ("10.10.0.0", "is reserved"),
        ("10.10.0.1", "is reserved"),
        ("10.10.0.255", "is reserved"),
        ("10.10.0.7", "is held by api-1"),
    ],
)
def test_an_address_that_is_not_free_cannot_be_claimed(address: str, reason: str) -> None:
    addresses = pool()
    addresses.claim(IPv4Address("10.10.0.7"), "api-1")
    with pytest.raises(errors.AddressTakenError, match=reason):
        addresses.claim(IPv4Address(address), "web-1")


def test_an_owner_may_claim_its_address_again() -> None:
    addresses = pool()
    addresses.claim(IPv4Address("10.10.0.7"), "api-1")
    addresses.claim(IPv4Address("10.10.0.7"), "api-1")


def test_overlapping_networks_are_refused_by_name() -> None:
    plan = AddressPlan()
    plan.add("front", SUBNET)
    with pytest.raises(errors.SubnetOverlapError, match=r'"back" overlaps 10\.10\.0\.0/24'):
        plan.add("back", IPv4Network("10.10.0.128/25"))
    assert [pool.network for pool in plan.pools] == ["front"]


@calm
@given(st.lists(subnets, max_size=20))
def test_no_two_pools_of_a_plan_share_an_address(wanted: list[IPv4Network]) -> None:
    plan = AddressPlan()
    for number, subnet in enumerate(wanted):
        try:
            plan.add(f"n{number}", subnet)
        except errors.SubnetOverlapError:
            assert any(pool.subnet.overlaps(subnet) for pool in plan.pools)
    plan.add_automatic("default")
    taken = [pool.subnet for pool in plan.pools]
    assert not any(a.overlaps(b) for a in taken for b in taken if a is not b)


def test_automatic_subnets_start_at_10_88_and_avoid_declared_ones() -> None:
    assert free_subnet("default", []) == IPv4Network("10.88.0.0/16")
    assert free_subnet("default", [IPv4Network("10.88.7.0/24")]) == IPv4Network("10.89.0.0/16")


def test_running_out_of_automatic_subnets_says_what_to_do() -> None:
    with pytest.raises(errors.NoFreeSubnetError, match="declare its subnet"):
        free_subnet("default", AUTOMATIC_SUBNETS)


@pytest.mark.parametrize(
    "error",
    [
        errors.SubnetError("10.0.0.0/8", "is a /8"),
        errors.SubnetOverlapError("a", "10.0.0.0/24", "b", "10.0.0.0/16"),
        errors.PoolExhaustedError("a", "10.0.0.0/30", 1),
        errors.NoFreeSubnetError("a"),
        errors.AddressTakenError("a", "10.0.0.1", "is reserved"),
    ],
)
def test_an_error_survives_pickling(error: errors.VnetError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
