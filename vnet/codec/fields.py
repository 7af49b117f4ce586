"""Checks of single fields that came over a wire.

Owns what codecs of every package share. Each function takes the field's name for the error, and
gives the value or raises `InvalidMessageError`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeVar

from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PORT = 65_535

T = TypeVar("T")
E = TypeVar("E")


def named(field: str, table: Mapping[T, E], number: E) -> T:
    """Find the value that an enum's number stands for."""
    for value, known in table.items():
        if known == number:
            return value
    raise InvalidMessageError(field, f"has the unknown value {number}")


def filled(field: str, text: str) -> str:
    """Take a text that must not be empty."""
    if not text:
        raise InvalidMessageError(field, "is empty")
    return text


def plain(field: str, text: str) -> str:
    """Take a text that must not contain NUL."""
    if "\0" in text:
        raise InvalidMessageError(field, "contains NUL")
    return text


def absolute(field: str, path: str) -> str:
    """Take an absolute path."""
    if not path.startswith("/"):
        raise InvalidMessageError(field, f"{path!r} is not an absolute path")
    return plain(field, path)


def address(field: str, text: str) -> IPv4Address:
    """Read an address."""
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise InvalidMessageError(field, str(error)) from error


def addresses(field: str, texts: Iterable[str]) -> tuple[IPv4Address, ...]:
    """Read addresses."""
    return tuple(address(field, text) for text in texts)


def network(field: str, text: str) -> IPv4Network:
    """Read a block of addresses; bits below its prefix must be zero."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise InvalidMessageError(field, str(error)) from error


def port(field: str, number: int, *, least: int = 1) -> int:
    """Check a port; `least` is 0 where there may be none."""
    return within(field, number, least, MAX_PORT)


def within(field: str, number: int, least: int, most: int) -> int:
    """Check an integer."""
    if not least <= number <= most:
        raise InvalidMessageError(field, f"{number} is not {least} to {most}")
    return number


def fraction(field: str, number: float) -> float:
    """Check a probability or a share; NaN is none."""
    if not 0.0 <= number <= 1.0:
        raise InvalidMessageError(field, f"{number} is not a fraction from 0 to 1")
    return number
