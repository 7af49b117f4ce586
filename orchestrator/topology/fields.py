"""The kinds of values that a topology file holds, for the validator and for the JSON schema.

Owns one annotated type per kind: how it is read, its bounds, how it is written back, and what an
editor is told. Each accepts the text of a YAML scalar. The languages of values are `values.py`'s
and `units.py`'s.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from orchestrator.topology import forms
from orchestrator.topology.problems import describe
from orchestrator.topology.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from orchestrator.topology.values import (
    HttpTarget,
    RestartPolicy,
    parse_http_target,
    parse_port,
    parse_restart,
    parse_tcp_target,
)
from vnet.addresses import parse_subnet
from vnet.errors import SubnetError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_REPLICAS = 10_000
"""Replicas of one service; more would not be a topology to run but a slip of the keyboard."""
MAX_MEMORY = 4 * 1024**3
"""Guests address their memory with 32 bits."""
MIN_MEMORY = 64 * 1024
"""One page of WebAssembly memory."""

LABEL_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


def _parsed(parse: Callable[[str], object], *accepted: type) -> BeforeValidator:
    """A validator that reads text, and takes values of the accepted types as they are."""

    def validate(value: object) -> object:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, accepted) and not isinstance(value, bool):
            return value
        raise ValueError(f"expected a word, found {describe(value)}")

    return BeforeValidator(validate)


def _from_number(parse: Callable[[str], int]) -> BeforeValidator:
    """A validator that reads text or a number; anything else is refused as no number."""
    return BeforeValidator(lambda v: parse(str(v)) if isinstance(v, int | str) else v)


def _word(pattern: str) -> WithJsonSchema:
    """Text of a certain form, or text whose variables are not substituted yet."""
    return WithJsonSchema({"type": "string", "pattern": f"{pattern}|\\$"})


def _integer(**bounds: int) -> WithJsonSchema:
    return WithJsonSchema(
        {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": "\\$|^[0-9.]+$"}]}
    )


def _subnet(text: str) -> IPv4Network:
    try:
        return parse_subnet(text)
    except SubnetError as error:
        raise ValueError(str(error)) from error


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a text, found an empty one")
    return text


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


def _between(low: float, high: float, text: Callable[[float], str]) -> AfterValidator:
    def validate(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"must be between {text(low)} and {text(high)}")
        return value

    return AfterValidator(validate)


Text: TypeAlias = Annotated[str, AfterValidator(_not_empty)]
Label: TypeAlias = Annotated[str, _word(LABEL_PATTERN)]
"""A DNS label; `checks.py` says what is wrong with one."""
Subnet: TypeAlias = Annotated[
    IPv4Network,
    _parsed(_subnet, IPv4Network),
    _word("^[0-9]+(\\.[0-9]+){3}/[0-9]+$"),
]
Duration: TypeAlias = Annotated[
    float, _parsed(parse_duration), PlainSerializer(format_duration), _word(DURATION_PATTERN)
]
PositiveDuration: TypeAlias = Annotated[Duration, AfterValidator(_positive)]
Memory: TypeAlias = Annotated[
    int,
    _parsed(parse_size),
    _between(MIN_MEMORY, MAX_MEMORY, lambda size: format_size(int(size))),
    PlainSerializer(format_size),
    _word(SIZE_PATTERN),
]
Port: TypeAlias = Annotated[
    int,
    _from_number(parse_port),
    _integer(minimum=1, maximum=65_535),
]
Replicas: TypeAlias = Annotated[
    int,
    _between(0, MAX_REPLICAS, "{:,}".format),
    _integer(minimum=0, maximum=MAX_REPLICAS),
]
Retries: TypeAlias = Annotated[int, _between(1, 1_000_000, "{:,}".format), _integer(minimum=1)]
Flag: TypeAlias = Annotated[bool, WithJsonSchema({"type": ["boolean", "string"]})]
GuestPath: TypeAlias = Annotated[str, AfterValidator(forms.guest_path), _word("^/")]
Restart: TypeAlias = Annotated[
    RestartPolicy,
    _parsed(parse_restart, RestartPolicy),
    PlainSerializer(str),
    _word("^(no|always|unless-stopped|on-failure(:[0-9]+)?)$"),
]
HttpProbe: TypeAlias = Annotated[
    HttpTarget, _parsed(parse_http_target, HttpTarget), PlainSerializer(str), _word("^http://")
]
TcpProbe: TypeAlias = Annotated[
    int,
    _from_number(parse_tcp_target),
    WithJsonSchema({"type": ["string", "integer"]}),
]
