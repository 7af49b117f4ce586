"""The kinds of values that a topology file holds, for the validator and for the JSON schema.

Owns one annotated type per kind: how it is read, its bounds, how it is written back, and what an
editor is told. Each accepts the text of a YAML scalar. The languages of values are `values.py`'s
and `units.py`'s.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from orchestrator.topology import forms
from orchestrator.topology.link_values import (
    MAX_QUEUE,
    checked_link_duration,
    checked_mtu,
    checked_queue,
    parse_link_duration,
    parse_link_rate,
    parse_link_share,
    parse_whole_number,
)
from orchestrator.topology.problems import describe
from orchestrator.topology.units import (
    CPUS_PATTERN,
    DURATION_PATTERN,
    PERCENTAGE_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    format_cpus,
    format_duration,
    format_percentage,
    format_rate,
    format_size,
    parse_cpus,
    parse_duration,
    parse_size,
)
from orchestrator.topology.values import (
    HttpTarget,
    RestartPolicy,
    format_port_range,
    parse_http_target,
    parse_port,
    parse_port_range,
    parse_restart,
    parse_tcp_target,
)
from vnet.addresses import parse_block, parse_subnet
from vnet.configuration import MOST_MTU_BYTES, EgressRule, PortRange
from vnet.errors import SubnetError
from vnet.gateway.errors import EgressRuleError
from vnet.gateway.rules import parse_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.config import JsonDict

MAX_REPLICAS = 10_000
"""Replicas of one service; more would not be a topology to run but a slip of the keyboard."""
MAX_MEMORY = 4 * 1024**3
"""Guests address their memory with 32 bits."""
MIN_MEMORY = 64 * 1024
"""One page of WebAssembly memory."""
MAX_DISK = 1024**5
"""A petabyte; more would not fit into a disk but into a slip of the keyboard."""
MIN_DISK = 64 * 1024
"""Room for what every pod's root begins with."""
MAX_PIDS = 4096
"""Each process is a thread of the node, and a dozen of its memory maps."""
MAX_SEED = 2**64 - 1

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


def _number_word(pattern: str) -> WithJsonSchema:
    """A number above zero, or the same as a text."""
    words: JsonDict = {"type": "string", "pattern": f"{pattern}|\\$"}
    return WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, words]})


def _integer(**bounds: int) -> WithJsonSchema:
    return WithJsonSchema(
        {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": "\\$|^[0-9.]+$"}]}
    )


def _network(parse: Callable[[str], IPv4Network]) -> BeforeValidator:
    def read(text: str) -> IPv4Network:
        try:
            return parse(text)
        except SubnetError as error:
            raise ValueError(str(error)) from error

    return _parsed(read, IPv4Network)


def _egress(text: str) -> EgressRule:
    try:
        return parse_rule(text)
    except EgressRuleError as error:
        raise ValueError(str(error)) from error


def _word_or_off(pattern: str) -> WithJsonSchema:
    words: JsonDict = {"type": "string", "pattern": f"{pattern}|^0$|\\$"}
    return WithJsonSchema({"anyOf": [words, {"type": "integer", "enum": [0]}]})


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
_CIDR = _word("^[0-9]+(\\.[0-9]+){3}/[0-9]+$")
Subnet: TypeAlias = Annotated[IPv4Network, _network(parse_subnet), _CIDR]
Block: TypeAlias = Annotated[IPv4Network, _network(parse_block), _CIDR]
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
DiskSize: TypeAlias = Annotated[
    int,
    _parsed(parse_size),
    _between(MIN_DISK, MAX_DISK, lambda size: format_size(int(size))),
    PlainSerializer(format_size),
    _word(SIZE_PATTERN),
]
Cpus: TypeAlias = Annotated[
    float, _parsed(parse_cpus), PlainSerializer(format_cpus), _number_word(CPUS_PATTERN)
]
"""Processors' worth of time."""
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
Pids: TypeAlias = Annotated[
    int, _between(1, MAX_PIDS, "{:,}".format), _integer(minimum=1, maximum=MAX_PIDS)
]
"""Processes of one pod at once."""
StopSignal: TypeAlias = Annotated[
    int,
    BeforeValidator(forms.signal_from_name),
    WithJsonSchema({"type": ["string", "integer"]}),
]
"""A signal by its number; written by its name, too."""
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
FaultName: TypeAlias = Annotated[str, AfterValidator(forms.fault_name)]
Size: TypeAlias = Annotated[
    int, _parsed(parse_size), PlainSerializer(format_size), _word(SIZE_PATTERN)
]
Count: TypeAlias = Annotated[int, _between(0, 1_000_000, "{:,}".format), _integer(minimum=0)]
Seed: TypeAlias = Annotated[
    int, _between(0, MAX_SEED, "{:,}".format), _integer(minimum=0, maximum=MAX_SEED)
]
LinkDuration: TypeAlias = Annotated[
    float,
    _parsed(parse_link_duration, int, float),
    AfterValidator(checked_link_duration),
    PlainSerializer(format_duration),
    _word_or_off(DURATION_PATTERN),
]
Percentage: TypeAlias = Annotated[
    float,
    _parsed(parse_link_share, int, float),
    PlainSerializer(format_percentage),
    _word_or_off(PERCENTAGE_PATTERN),
]
Rate: TypeAlias = Annotated[
    int,
    _parsed(parse_link_rate, int, float),
    PlainSerializer(format_rate),
    _word_or_off(RATE_PATTERN),
]
"""In bits per second; 0 is without limit."""
Queue: TypeAlias = Annotated[
    int,
    _from_number(parse_whole_number),
    AfterValidator(checked_queue),
    _integer(minimum=0, maximum=MAX_QUEUE),
]
Mtu: TypeAlias = Annotated[
    int,
    _from_number(parse_whole_number),
    AfterValidator(checked_mtu),
    _integer(minimum=0, maximum=MOST_MTU_BYTES),
]
PolicyPorts: TypeAlias = Annotated[
    PortRange,
    _parsed(parse_port_range, PortRange),
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    PlainSerializer(format_port_range),
    WithJsonSchema({"type": ["integer", "string"]}),
]
Egress: TypeAlias = Annotated[
    InstanceOf[EgressRule],
    _parsed(_egress, EgressRule),
    PlainSerializer(lambda rule: rule.text),
    _word(":([0-9]+(-[0-9]+)?|\\*)$"),
]
