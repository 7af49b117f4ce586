"""Filter expressions: what they choose, what they refuse and where."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnet.capture import CapturedPacket, ExpressionError, Filter

ETHERNET = bytes(12) + b"\x08\x00"
NAMES = {"api": ["10.20.0.2", "10.20.0.3"], "store": ["10.20.0.9"]}


def lookup(name: str) -> Sequence[IPv4Address]:
    return [IPv4Address(text) for text in NAMES.get(name, [])]


def packet(
    source: str, target: str, ports: tuple[int, int] | None = None, *, protocol: int = 6
) -> CapturedPacket:
    header = bytearray(20)
    header[0], header[9] = 0x45, protocol
    header[12:16], header[16:20] = IPv4Address(source).packed, IPv4Address(target).packed
    transport = b"".join(port.to_bytes(2) for port in ports or ()) + bytes(16)
    data = ETHERNET + bytes(header) + transport
    return CapturedPacket(time_ns=0, size_bytes=len(data), data=data)


REQUEST = packet("10.10.0.5", "10.20.0.2", (40000, 8000))
ECHO = packet("10.10.0.5", "10.20.0.9", protocol=1)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ("  ", True),
        ("ip", True),
        ("tcp", True),
        ("udp", False),
        ("not udp", True),
        ("tcp port 8000", True),
        ("udp port 8000", False),
        ("port 8001", False),
        ("src port 8000", False),
        ("dst port 8000", True),
        ("tcp dst portrange 7999-8000", True),
        ("portrange 8001-9000", False),
        ("host api", True),
        ("src host api", False),
        ("dst host 10.20.0.2", True),
        ("host store", False),
        ("net 10.20.0.0/16 and src net 10.10.0.0/16", True),
        ("greater 55 or less 10", False),
        ("less 54", True),
        ("!(host store || udp) && port 8000", True),
        ("host store and port 8000 or tcp", True),
        ("host store and (port 8000 or tcp)", False),
        ("not not tcp", True),
    ],
)
def test_an_expression_chooses(expression: str, expected: bool) -> None:
    assert Filter(expression, lookup).matches(REQUEST) is expected


def test_ports_are_asked_only_of_protocols_that_have_them() -> None:
    assert not Filter("port 0", lookup).matches(ECHO)
    assert Filter("not port 0", lookup).matches(ECHO)
    assert Filter("icmp host api or icmp", lookup).matches(ECHO)


def test_what_is_no_ipv4_matches_only_the_empty_expression() -> None:
    arp = CapturedPacket(time_ns=0, size_bytes=42, data=bytes(12) + b"\x08\x06" + bytes(28))
    cut_off = CapturedPacket(time_ns=0, size_bytes=60, data=REQUEST.data[:20])
    for seen in (arp, cut_off):
        assert Filter("", lookup).matches(seen)
        assert not Filter("not udp", lookup).matches(seen)


@pytest.mark.parametrize(
    ("expression", "position", "problem"),
    [
        ("tcp port", 9, "no number"),
        ("tcp port 65536", 10, "no number"),
        ("host nobody", 6, "no address, pod or service"),
        ("host", 5, "a host is missing"),
        ("net 10.20.0.1/24", 5, "a block such as"),
        ("tcp and", 8, "but it ends here"),
        ("tcp udp", 5, "left over"),
        ("(tcp", 5, '")" is missing'),
        ("tcp ; udp", 5, "no meaning"),
        ("src", 4, "is expected"),
        ("portrange 9-8", 11, "no range"),
        ("vlan 3", 1, 'not "vlan"'),
        ("(" * 60 + "tcp", 51, "too deeply"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(
    expression: str, position: int, problem: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Filter(expression, lookup)
    assert f"character {position}:" in str(caught.value)
    assert problem in str(caught.value)


@given(st.text(alphabet="tcpudhosnrag0123456789 ()!&|./-", max_size=60))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        chosen = Filter(text, lookup)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert isinstance(chosen.matches(REQUEST), bool)


addresses = st.sampled_from(["10.10.0.5", "10.20.0.2", "10.20.0.9"])
ports = st.integers(7998, 8002)
primitives = st.one_of(
    st.builds("host {}".format, addresses),
    st.builds("src host {}".format, addresses),
    st.builds("dst port {}".format, ports),
    st.builds("tcp port {}".format, ports),
    st.sampled_from(["tcp", "udp", "icmp", "dst net 10.20.0.0/16"]),
)
expressions = st.recursive(
    primitives,
    lambda inner: st.one_of(
        st.builds("(not {})".format, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
    ),
    max_leaves=8,
)


def oracle(text: str, source: str, target: str, ports: tuple[int, int], protocol: int) -> bool:
    """Turn an expression of `expressions` into True, False and operators, and let Python decide."""
    words = []
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()
    numbers = {"tcp": 6, "udp": 17, "icmp": 1}
    while tokens:
        word = tokens.pop(0)
        if word in numbers and tokens[:1] == ["port"]:
            words.append(str(protocol == numbers[word] and int(tokens[1]) in ports))
            del tokens[:2]
        elif word in numbers:
            words.append(str(protocol == numbers[word]))
        elif word == "host":
            words.append(str(tokens.pop(0) in (source, target)))
        elif word == "src":
            words.append(str(tokens[1] == source))
            del tokens[:2]
        elif word == "dst" and tokens[0] == "port":
            words.append(str(protocol != 1 and int(tokens[1]) == ports[1]))
            del tokens[:2]
        elif word == "dst":
            words.append(str(IPv4Address(target) in IPv4Network(tokens[1])))
            del tokens[:2]
        else:
            words.append(word)
    return bool(eval(" ".join(words)))


@given(expressions, addresses, addresses, st.tuples(ports, ports), st.sampled_from([1, 6, 17]))
def test_expressions_mean_what_python_makes_of_them(
    text: str, source: str, target: str, ports: tuple[int, int], protocol: int
) -> None:
    seen = packet(source, target, ports, protocol=protocol)
    assert Filter(text, lookup).matches(seen) is oracle(text, source, target, ports, protocol)
