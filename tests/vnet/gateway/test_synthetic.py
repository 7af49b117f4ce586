"""Addresses that stand for names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vnet.gateway.synthetic import BLOCK, SyntheticAddresses

SMALL = IPv4Network("198.18.0.0/28")
NAMES_MOST = 5


def test_a_name_keeps_its_address_and_the_address_its_name() -> None:
    addresses = SyntheticAddresses()
    first = addresses.address_of("api", "a.example.com")
    second = addresses.address_of("api", "b.example.com")
    assert first is not None
    assert first in BLOCK
    assert first != second
    assert addresses.address_of("api", "a.example.com") == first
    assert addresses.name_of(first) == "a.example.com"
    assert addresses.name_of(IPv4Address("198.19.255.254")) is None


def test_the_least_recently_used_name_gives_way() -> None:
    addresses = SyntheticAddresses(SMALL, names_most=2)
    old = addresses.address_of("api", "old")
    used = addresses.address_of("api", "used")
    assert addresses.address_of("api", "old") == old
    new = addresses.address_of("api", "new")
    assert used is not None
    assert new != used
    assert addresses.name_of(used) is None
    assert addresses.address_of("api", "old") == old


def test_a_name_in_use_does_not_give_way() -> None:
    addresses = SyntheticAddresses(SMALL, names_most=1)
    held = addresses.address_of("api", "held")
    assert held is not None
    addresses.hold(held)
    assert addresses.address_of("api", "other") is None
    assert addresses.name_of(held) == "held"
    addresses.release(held)
    assert addresses.address_of("api", "other") is not None
    assert addresses.name_of(held) is None


def test_a_service_that_asks_for_many_names_pushes_out_nobody_elses() -> None:
    addresses = SyntheticAddresses(SMALL, names_most=4)
    quiet = addresses.address_of("quiet", "api.example.com")
    for index in range(1000):
        addresses.address_of("loud", f"{index}.example.com")
    assert quiet is not None
    assert addresses.name_of(quiet) == "api.example.com"


class Uses(RuleBasedStateMachine):
    """Services look up and connect in any order; the model remembers what each address meant."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses = SyntheticAddresses(SMALL, NAMES_MOST)
        self.held: list[tuple[IPv4Address, str]] = []

    @rule(owner=st.sampled_from("ab"), name=st.sampled_from("abcdefgh"))
    def look_up(self, owner: str, name: str) -> None:
        address = self.addresses.address_of(owner, name)
        if address is not None:
            assert self.addresses.name_of(address) == name
            assert self.addresses.address_of(owner, name) == address

    @rule(owner=st.sampled_from("ab"), name=st.sampled_from("abcdefgh"))
    def connect(self, owner: str, name: str) -> None:
        address = self.addresses.address_of(owner, name)
        if address is not None:
            self.addresses.hold(address)
            self.held.append((address, name))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        address, _ = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.addresses.release(address)

    @invariant()
    def meanings_hold_while_connected(self) -> None:
        assert all(self.addresses.name_of(address) == name for address, name in self.held)


Uses.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestUses = Uses.TestCase
