"""Options that several verbs share, and the values that they give.

Owns how a duration is read from a command line, and the choice between a table and JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

import click


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


duration_option = click.option(
    "--duration",
    "duration_s",
    callback=read_duration,
    metavar="TIME",
    help="End it by itself after this time, for example 30s.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people or JSON for programs.",
)


def print_json(value: object) -> None:
    """Print values of ours as JSON; keys are the names of their fields, units included."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (IPv4Address, IPv4Network)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
