"""Filter expressions: the part of pcap-filter(7) that fits a pod network.

    tcp port 80 and (src host api or net 10.20.0.0/24) and not host 10.10.0.3

Owns the grammar and its meaning. Names of pods and services are looked up by whoever compiles the
expression. Pure.

    expression  = term { ("or" | "||") term }
    term        = factor { ("and" | "&&") factor }
    factor      = ("not" | "!") factor | "(" expression ")" | primitive
    primitive   = [protocol] [direction] (host | net | port | portrange) | protocol | size
    protocol    = "ip" | "tcp" | "udp" | "icmp"
    direction   = "src" | "dst"
    size        = ("greater" | "less") NUMBER
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TypeAlias

from vnet.capture.packet import CapturedPacket, Headers, read_headers

Test: TypeAlias = Callable[[Headers], bool]
Lookup: TypeAlias = Callable[[str], Sequence[IPv4Address]]
"""Gives the addresses of a pod or service; none when there is no such name."""

_TOKEN = re.compile(r"\s*(\(|\)|!|&&|\|\||[A-Za-z0-9_./-]+)")
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
_PORT_MOST = 65_535
_DEPTH_MOST = 50
_SYNONYMS = {"&&": "and", "||": "or", "!": "not"}


class ExpressionError(ValueError):
    """The expression cannot be understood."""

    def __init__(self, expression: str, position: int, problem: str) -> None:
        super().__init__(expression, position, problem)
        self.expression, self.position, self.problem = expression, position, problem

    def __str__(self) -> str:
        return f'filter "{self.expression}", character {self.position + 1}: {self.problem}'


class Filter:
    """Chooses packets; an empty expression chooses all."""

    def __init__(self, expression: str, lookup: Lookup) -> None:
        """Compile `expression`.

        Raises:
            ExpressionError: it is not one, or names somebody unknown.
        """
        self.expression = " ".join(expression.split())
        self._test = _Parser(expression, lookup).parse() if self.expression else None

    def matches(self, packet: CapturedPacket) -> bool:
        """Tell whether the expression chooses `packet`."""
        if self._test is None:
            return True
        headers = read_headers(packet)
        return headers is not None and self._test(headers)


class _Parser:
    """Recursive descent; `_at` is the next token."""

    def __init__(self, expression: str, lookup: Lookup) -> None:
        self._expression = expression
        self._lookup = lookup
        self._tokens = list(self._split(expression))
        self._at = 0
        self._depth = 0

    def _split(self, text: str) -> list[tuple[str, int]]:
        tokens, position = [], 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                start = len(text) - len(text[position:].lstrip())
                raise ExpressionError(text, start, f'"{text[start]}" has no meaning here')
            word = match[1]
            tokens.append((_SYNONYMS.get(word, word), match.start(1)))
            position = match.end()
        return tokens

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        word = self._peek()
        self._at += 1
        return word

    def _accept(self, *words: str) -> str:
        return self._take() if self._peek() in words else ""

    def _fail(self, problem: str, *, back: int = 0) -> ExpressionError:
        index = self._at - back
        tokens = self._tokens
        position = tokens[index][1] if index < len(tokens) else len(self._expression)
        return ExpressionError(self._expression, position, problem)

    def parse(self) -> Test:
        test = self._alternatives()
        if self._at < len(self._tokens):
            raise self._fail(f'"{self._peek()}" is left over; join tests with "and" or "or"')
        return test

    def _alternatives(self) -> Test:
        tests = [self._conjunction()]
        while self._accept("or"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda headers: any(t(headers) for t in tests)

    def _conjunction(self) -> Test:
        tests = [self._factor()]
        while self._accept("and"):
            tests.append(self._factor())
        return tests[0] if len(tests) == 1 else lambda headers: all(t(headers) for t in tests)

    def _factor(self) -> Test:
        self._depth += 1
        if self._depth > _DEPTH_MOST:
            raise self._fail("it is nested too deeply")
        try:
            if self._accept("not"):
                negated = self._factor()
                return lambda headers: not negated(headers)
            if self._accept("("):
                inner = self._alternatives()
                if not self._accept(")"):
                    raise self._fail('a ")" is missing')
                return inner
            return self._primitive()
        finally:
            self._depth -= 1

    def _primitive(self) -> Test:
        if size := self._accept("greater", "less"):
            return _size_test(size, self._number(_PORT_MOST))
        protocol = self._accept("ip", *_PROTOCOLS)
        direction = self._accept("src", "dst")
        test = self._place(direction)
        if test is None and (direction or not protocol):
            wanted = "host, net, port or portrange"
            found = f'not "{self._peek()}"' if self._peek() else "but it ends here"
            raise self._fail(f"{wanted} is expected, {found}")
        return _protocol_test(protocol, test)

    def _place(self, direction: str) -> Test | None:
        if self._accept("host"):
            addresses = frozenset(self._host())
            return _address_test(direction, addresses.__contains__)
        if self._accept("net"):
            block = self._block()
            return _address_test(direction, block.__contains__)
        if self._accept("port"):
            port = self._number(_PORT_MOST)
            return _port_test(direction, port, port)
        if self._accept("portrange"):
            return _port_test(direction, *self._range())
        return None

    def _host(self) -> Sequence[IPv4Address]:
        word = self._take()
        try:
            return [IPv4Address(word)]
        except ValueError:
            addresses = self._lookup(word) if word else ()
        if not addresses:
            what = f'"{word}" is no address, pod or service' if word else "a host is missing"
            raise self._fail(what, back=1)
        return addresses

    def _block(self) -> IPv4Network:
        word = self._take()
        try:
            return IPv4Network(word)
        except ValueError:
            example = 'a block such as "10.20.0.0/24"'
            raise self._fail(f'"{word}" is not {example}', back=1) from None

    def _number(self, most: int) -> int:
        word = self._take()
        if not (word.isascii() and word.isdigit()) or int(word) > most:
            raise self._fail(f'"{word}" is no number from 0 to {most}', back=1)
        return int(word)

    def _range(self) -> tuple[int, int]:
        word = self._take()
        first, dash, last = word.partition("-")
        if not (dash and first.isdigit() and last.isdigit() and int(first) <= int(last)):
            raise self._fail(f'"{word}" is no range such as "8000-8010"', back=1)
        return int(first), int(last)


def _protocol_test(protocol: str, test: Test | None) -> Test:
    number = _PROTOCOLS.get(protocol)
    if number is None:
        return test or (lambda _: True)
    if test is None:
        return lambda headers: headers.protocol == number
    return lambda headers: headers.protocol == number and test(headers)


def _address_test(direction: str, chosen: Callable[[IPv4Address], bool]) -> Test:
    if direction == "src":
        return lambda headers: chosen(headers.source)
    if direction == "dst":
        return lambda headers: chosen(headers.target)
    return lambda headers: chosen(headers.source) or chosen(headers.target)


def _port_test(direction: str, first: int, last: int) -> Test:
    def chosen(port: int | None) -> bool:
        return port is not None and first <= port <= last

    if direction == "src":
        return lambda headers: chosen(headers.source_port)
    if direction == "dst":
        return lambda headers: chosen(headers.target_port)
    return lambda headers: chosen(headers.source_port) or chosen(headers.target_port)


def _size_test(comparison: str, size: int) -> Test:
    """As in pcap-filter(7): both include the size itself."""
    if comparison == "greater":
        return lambda headers: headers.size_bytes >= size
    return lambda headers: headers.size_bytes <= size
