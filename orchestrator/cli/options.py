"""Options that several verbs share, and the values that they give.

Owns how a duration is read from a command line, and the choice between a table and JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

import click

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def read_duration(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> float | None:
    """Read an option such as `20ms`, `1.5s` or `1m30s`, in seconds; a click callback."""
    from orchestrator.topology.units import parse_duration

    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    if not seconds:
        raise click.BadParameter("the duration is zero", context, parameter)
    return seconds


def read_signal(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Read an option such as `TERM`, `SIGHUP` or `10`; a click callback."""
    from pod_node.launching import signal_number

    if text is None:
        return None
    try:
        return signal_number(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


duration_option = click.option(
    "--duration",
    "duration_s",
    callback=read_duration,
    metavar="TIME",
    help="End it by itself after this time, for example 30s.",
)


def _format_option(people: str, text: str) -> Callable[[_Verb], _Verb]:
    return click.option(
        "--format",
        "form",
        type=click.Choice([people, "json"]),
        default=people,
        show_default=True,
        help=text,
    )


format_option = _format_option("table", "A table for people or JSON for programs.")
text_format_option = _format_option("text", "Text for people or JSON for programs.")
lines_format_option = _format_option("text", "Lines for people, or one JSON object a line.")
"""For verbs that go on and on."""


def read_moment(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> float | None:
    """Read an option such as `5m`, for so long ago, or a time, in seconds since the epoch."""
    from orchestrator.views.moments import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


since_option = click.option(
    "--since",
    "since_s",
    callback=read_moment,
    metavar="TIME",
    help="Begin with this time: 5m for so long ago, or for example 2026-01-31T12:00:00Z.",
)
until_option = click.option(
    "--until", "until_s", callback=read_moment, metavar="TIME", help="End with this time."
)


def print_json(value: object) -> None:
    """Print values of ours as JSON; keys are the names of their fields, units included."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def json_line(value: object) -> str:
    """Write values of ours as JSON on one line."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (IPv4Address, IPv4Network, Path)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
