"""Who may reach what, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from vnet.configuration import Egress, EgressLimits, GuardedPorts, PortRange
from vnet.gateway import parse_rule
from vnet.gateway.denied import Address
from vnet.gateway.gate import Admitted, Denied, Gate

PUBLIC = IPv4Address("93.184.216.34")


def gate_with(
    *rules: str, connections: int | None = None, transfer_bytes: int | None = None
) -> Gate:
    gate = Gate()
    limits = EgressLimits(connections=connections, transfer_bytes=transfer_bytes)
    parsed = tuple(parse_rule(rule) for rule in rules)
    gate.configure([Egress(service="api", rules=parsed, limits=limits)])
    return gate


def admitted(gate: Gate, destination: str, port: int, service: str = "api") -> Admitted:
    address: IPv4Address | Denied
    try:
        address = IPv4Address(destination)
    except ValueError:
        address = gate.lookup(service, destination)
    assert isinstance(address, IPv4Address)
    result = gate.admit(service, address, port)
    assert isinstance(result, Admitted), result
    return result


def refusal(result: object) -> str:
    assert isinstance(result, Denied)
    return result.reason


def nobodys(address: Address) -> bool:
    return False


def test_what_no_rule_allows_is_denied() -> None:
    gate = gate_with("api.example.com:443", "192.0.2.0/24:80")
    assert "no egress rule" in refusal(gate.lookup("api", "other.example.com"))
    assert "no egress rule" in refusal(gate.lookup("web", "api.example.com"))
    assert "no egress rule" in refusal(gate.lookup("api", "127.1"))
    assert "no egress rule" in refusal(gate.admit("api", PUBLIC, 443))
    assert "no egress rule" in refusal(gate.admit("web", IPv4Address("192.0.2.1"), 80))
    stand_in = gate.lookup("api", "API.example.com.")
    assert isinstance(stand_in, IPv4Address)
    assert "api.example.com:80" in refusal(gate.admit("api", stand_in, 80))
    assert admitted(gate, "api.example.com", 443).rule == "api.example.com:443"
    assert admitted(gate, "192.0.2.1", 80).name is None


def test_an_address_that_stands_for_nothing_says_so() -> None:
    gate = gate_with("0.0.0.0/0:*")
    reason = refusal(gate_with("*:*").admit("api", IPv4Address("198.18.9.9"), 80))
    assert "look it up again" in reason
    gate.configure([])
    assert "no egress rule" in refusal(gate.admit("api", PUBLIC, 80))


def test_each_resolved_address_is_checked() -> None:
    gate = gate_with("*.example.com:443", "10.1.0.0/16:443")
    connect = admitted(gate, "a.example.com", 443)
    resolved: list[Address] = [
        ip_address(text) for text in ("10.2.0.1", "10.1.0.1", "::ffff:93.184.216.34", "::1")
    ]
    choice = gate.choose(connect, [*resolved, PUBLIC], nobodys)
    assert choice.permitted == {
        IPv4Address("10.1.0.1"): "10.1.0.0/16:443",
        PUBLIC: "*.example.com:443",
    }
    assert [reason.split()[0] for reason in choice.refusals] == ["10.2.0.1", "::1"]


def test_a_name_that_leads_to_the_machine_itself_is_denied() -> None:
    gate = gate_with("*:443", "93.184.216.34:443")
    connect = admitted(gate, "a.example.com", 443)
    own = IPv6Address("2606:4700::1")
    choice = gate.choose(connect, [own, PUBLIC], lambda address: True)
    assert choice.permitted == {PUBLIC: "93.184.216.34:443"}
    assert "this machine" in choice.refusals[0]


def test_connections_are_limited_until_one_ends() -> None:
    gate = gate_with("*:443", connections=2)
    first, _ = admitted(gate, "a.example.com", 443), admitted(gate, "b.example.com", 443)
    assert "2 connections" in refusal(gate.admit("api", first.address, 443))
    gate.end(first)
    admitted(gate, "a.example.com", 443)


def test_bytes_are_limited_for_good() -> None:
    gate = gate_with("*:443", transfer_bytes=1000)
    first = admitted(gate, "a.example.com", 443)
    assert gate.transferred("api", 999)
    assert not gate.transferred("api", 1)
    gate.end(first)
    assert "bytes" in refusal(gate.admit("api", first.address, 443))


def test_new_rules_count_from_the_next_connect_on() -> None:
    gate = gate_with("*:443")
    first = admitted(gate, "a.example.com", 443)
    gate.configure([Egress(service="api", rules=(parse_rule("b.example.com:443"),))])
    assert isinstance(gate.admit("api", first.address, 443), Denied)
    assert isinstance(gate.lookup("api", "b.example.com"), IPv4Address)
    gate.end(first)


GUARDED = GuardedPorts(
    addresses=(ip_address("10.1.2.3"),),
    ports=(PortRange(first=6379, last=6379), PortRange(first=10_002, last=19_999)),
    reason="the cluster's",
)


@pytest.mark.parametrize("port", [6379, 10_002, 19_999])
def test_a_guarded_port_is_denied_even_where_a_rule_names_that_very_address(port: int) -> None:
    gate = gate_with("10.0.0.0/8:*", f"10.1.2.3:{port}", "*:*")
    gate.configure(gate._egress.values(), [GUARDED])
    choice = gate.choose(admitted(gate, "10.1.2.3", port), [ip_address("10.1.2.3")], nobodys)
    assert not choice.permitted
    assert choice.refusals == (f"10.1.2.3 port {port} is the cluster's",)
    named = admitted(gate, "evil.example.com", port)
    assert not gate.choose(named, [ip_address("10.1.2.3")], nobodys).permitted


def test_other_ports_and_other_machines_are_as_before() -> None:
    gate = gate_with("10.0.0.0/8:*")
    gate.configure(gate._egress.values(), [GUARDED])
    for address, port in (("10.1.2.3", 5432), ("10.1.2.4", 6379)):
        choice = gate.choose(admitted(gate, address, port), [ip_address(address)], nobodys)
        assert choice.permitted == {ip_address(address): "10.0.0.0/8:*"}


def test_ports_of_the_nodes_own_machine_are_guarded_on_all_its_addresses() -> None:
    here = replace(GUARDED, is_here=True)
    for address in ("127.0.0.1", "127.9.9.9", "192.168.7.7"):
        gate = gate_with(f"{address}:*")
        gate.configure(gate._egress.values(), [here])
        wanted = admitted(gate, address, 6379)
        assert not gate.choose(wanted, [ip_address(address)], lambda _: True).permitted
        free = admitted(gate, address, 8080)
        assert gate.choose(free, [ip_address(address)], lambda _: True).permitted


@pytest.mark.parametrize("carrying", ["::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1"])
def test_an_address_that_carries_a_guarded_one_is_that_one(carrying: str) -> None:
    gate = gate_with("name.example.com:*", "[::/0]:*", "10.1.2.3:6379")
    gate.configure(gate._egress.values(), [GUARDED])
    wanted = admitted(gate, "name.example.com", 6379)
    choice = gate.choose(wanted, [ip_address(carrying)], nobodys)
    assert not choice.permitted
    assert "the cluster's" in choice.refusals[0]
