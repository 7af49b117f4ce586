"""Egress rules as text, and what they allow."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnet.gateway import EgressRuleError, parse_rule
from vnet.gateway.rules import block_rules, knows_name, name_rule, normal_name


@pytest.mark.parametrize(
    ("text", "name", "ports"),
    [
        ("api.example.com:443", "api.example.com", (443, 443)),
        ("API.Example.COM.:443", "api.example.com", (443, 443)),
        ("*.example.com:8000-8100", "*.example.com", (8000, 8100)),
        ("*:443", "*", (443, 443)),
        ("printer:*", "printer", (1, 65535)),
        ("_x.bücher.example:80", "_x.xn--bcher-kva.example", (80, 80)),
    ],
)
def test_names_are_read(text: str, name: str, ports: tuple[int, int]) -> None:
    rule = parse_rule(text)
    assert (rule.text, rule.name, rule.block) == (text, name, None)
    assert (rule.ports.first, rule.ports.last) == ports


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("192.0.2.0/24:80", "192.0.2.0/24"),
        ("192.0.2.7:80", "192.0.2.7/32"),
        ("[2001:db8::]/32:443", "2001:db8::/32"),
        ("[2001:db8::/32]:443", "2001:db8::/32"),
        ("[::1]:*", "::1/128"),
        ("0.0.0.0/0:443", "0.0.0.0/0"),
    ],
)
def test_blocks_are_read(text: str, block: str) -> None:
    rule = parse_rule(text)
    assert (rule.name, rule.block) == ("", ip_network(block))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":443",
        "example.com",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:90-80",
        "example.com:http",
        "example.com:٤٤٣",
        "ex ample.com:443",
        "-x.com:443",
        "x..com:443",
        "a*.example.com:443",
        "*.*.example.com:443",
        "*.:443",
        "192.0.2.1/24:80",
        "192.0.2.0/33:80",
        "192.0.2.300:80",
        "127.1:80",
        "2130706433:80",
        "0x7f000001:80",
        "2001:db8::1:443",
        "[2001:db8::/32:443",
        "[::ffff:10.0.0.0]/104:443",
        f"{'a' * 64}.com:443",
        f"{'a.' * 130}com:443",
    ],
)
def test_what_is_no_rule_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(EgressRuleError) as refusal:
        parse_rule(text)
    assert f'"{text}"' in str(refusal.value)
    assert "write it like" in str(refusal.value)


@given(st.text(max_size=80))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except EgressRuleError:
        return
    assert bool(rule.name) != (rule.block is not None)
    assert 1 <= rule.ports.first <= rule.ports.last <= 65535


@given(st.text(max_size=300))
def test_normal_names_stay_as_they_are(text: str) -> None:
    name = normal_name(text)
    if name is not None:
        assert normal_name(name) == name
        assert len(name) <= 253


def test_the_first_rule_that_allows_a_name_on_a_port_counts() -> None:
    rules = [parse_rule(one) for one in ("a.example.com:80", "*.example.com:443", "*:8000-9000")]

    def allowing(name: str, port: int) -> str | None:
        rule = name_rule(rules, name, port)
        return rule.text if rule else None

    assert allowing("a.example.com", 80) == "a.example.com:80"
    assert allowing("a.example.com", 443) == "*.example.com:443"
    assert allowing("b.a.example.com", 443) == "*.example.com:443"
    assert allowing("example.com", 443) is None
    assert allowing("notexample.com", 443) is None
    assert allowing("example.com", 8443) == "*:8000-9000"
    assert allowing("a.example.com", 81) is None


def test_a_rule_for_names_allows_no_address_and_the_other_way_round() -> None:
    rules = [parse_rule("*:80"), parse_rule("192.0.2.0/24:443")]
    assert block_rules(rules, ip_address("192.0.2.1"), 80) == []
    assert block_rules(rules, ip_address("192.0.2.1"), 443) == rules[1:]
    assert block_rules(rules, ip_address("2001:db8::1"), 443) == []
    assert name_rule(rules, "example.com", 443) is None
    assert knows_name(rules, "example.com")
    assert not knows_name(rules[1:], "example.com")
