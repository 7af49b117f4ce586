"""Egress rules: how they are written, and which of them allows a destination.

A rule is `TARGET:PORTS`. TARGET is a name, `*.` and a name, `*`, an IPv4 address or block, or an
IPv6 address or block in brackets. PORTS is a port, a range like `8000-8100`, or `*`. Names are
compared without regard to case; a final dot means nothing. Everything is TCP.

Rules for names and rules for blocks are apart: a destination given as a name needs a rule for the
name, whatever it resolves to, and one given as an address needs a block. What the address of a
name may be is `denied.py`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from vnet.configuration import EgressRule, PortRange
from vnet.gateway.errors import EgressRuleError

NAME_MOST = 253
"""RFC 1035 2.3.4, without the root's dot."""
PORT_MOST = 65_535

_MAPPED = IPv6Network("::ffff:0:0/96")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_BRACKETS = re.compile(r"\[([^][]*)\](/[0-9]+)?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


def parse_rule(text: str) -> EgressRule:
    """Read a rule.

    Raises:
        EgressRuleError: The text is no rule.
    """
    target, colon, ports = text.strip().rpartition(":")
    if not colon or not target:
        raise EgressRuleError(text, "does not end with a colon and a port")
    chosen = _parse_ports(text, ports)
    block = _parse_block(text, target)
    if block is not None:
        return EgressRule(text=text, block=block, ports=chosen)
    return EgressRule(text=text, name=_parse_pattern(text, target), ports=chosen)


def _parse_ports(rule: str, text: str) -> PortRange:
    if text == "*":
        return PortRange(first=1, last=PORT_MOST)
    match = _PORTS.fullmatch(text)
    if match is None:
        raise EgressRuleError(rule, f'has "{text}" where a port should be')
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= PORT_MOST:
        raise EgressRuleError(rule, f"has ports that are not from 1 to {PORT_MOST} in order")
    return PortRange(first=first, last=last)


def _parse_block(rule: str, target: str) -> IPv4Network | IPv6Network | None:
    """Read an address or block; None when the text is meant as a name."""
    brackets = _BRACKETS.fullmatch(target)
    bare = "".join(brackets.groups(default="")) if brackets else target
    last_label = target.rpartition(".")[2]
    if not brackets and "/" not in target and not _NUMBER.fullmatch(last_label.lower()):
        if ":" in target:
            raise EgressRuleError(rule, "has an IPv6 address without brackets, or two ports")
        return None
    try:
        block = ip_network(bare)
    except ValueError as error:
        raise EgressRuleError(rule, f"names no block of addresses ({error})") from error
    if isinstance(block, IPv6Network) and block.subnet_of(_MAPPED):
        raise EgressRuleError(rule, "has IPv4 addresses mapped into IPv6; write them as IPv4")
    return block


def _parse_pattern(rule: str, target: str) -> str:
    if target == "*":
        return target
    wildcard, name = ("*.", target[2:]) if target.startswith("*.") else ("", target)
    normal = normal_name(name)
    if normal is None:
        raise EgressRuleError(rule, f'has "{name}" where a host name should be')
    return wildcard + normal


def normal_name(text: str) -> str | None:
    """Return a host name in the form in which names are compared; None when it is no host name.

    What C libraries would read as an address, such as `127.1` or `0x7f000001`, is no host name.
    """
    name = text.removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    name = name.lower()
    labels = name.split(".")
    if len(name) > NAME_MOST or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return None if _NUMBER.fullmatch(labels[-1]) else name


def _covers_name(pattern: str, name: str) -> bool:
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return bool(pattern) and name == pattern


def knows_name(rules: Iterable[EgressRule], name: str) -> bool:
    """Tell whether any rule lets a normal name be reached, on whatever port."""
    return any(_covers_name(rule.name, name) for rule in rules)


def name_rule(rules: Iterable[EgressRule], name: str, port: int) -> EgressRule | None:
    """Return the first rule that allows a normal name on a port."""
    for rule in rules:
        if rule.ports.first <= port <= rule.ports.last and _covers_name(rule.name, name):
            return rule
    return None


def block_rules(
    rules: Iterable[EgressRule], address: IPv4Address | IPv6Address, port: int
) -> list[EgressRule]:
    """Return the rules that allow an address on a port, in their order."""
    return [
        rule
        for rule in rules
        if rule.block is not None
        and rule.ports.first <= port <= rule.ports.last
        and address in rule.block
    ]
