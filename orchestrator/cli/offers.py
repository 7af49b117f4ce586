"""Nodes that a person describes on a command line, as `podnet plan --node` takes them.

Owns their syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.placement import NodeOffer

_EXAMPLE = "big,cpus=8,memory=16G,zone=a"


def read_node(text: str) -> NodeOffer:
    """Read `NAME[,cpus=N][,memory=SIZE][,pods=N][,LABEL=VALUE]...`.

    Raises:
        click.BadParameter: it cannot be understood.
    """
    from dataclasses import replace

    from orchestrator.backends.machine import this_machine
    from orchestrator.topology.units import parse_cpus, parse_size

    name, *parts = text.split(",")
    if not name or "=" in name:
        raise click.BadParameter(f'"{text}" has no name first; write for example {_EXAMPLE}')
    offer, labels = this_machine(name), {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise click.BadParameter(f'"{part}" is no KEY=VALUE; write for example {_EXAMPLE}')
        try:
            match key:
                case "cpus":
                    offer = replace(offer, cpus=parse_cpus(value))
                case "memory":
                    offer = replace(offer, memory_bytes=parse_size(value))
                case "pods":
                    offer = replace(offer, pods_most=int(value))
                case "hostname":
                    offer = replace(offer, hostname=value)
                case _:
                    labels[key] = value
        except ValueError as error:
            raise click.BadParameter(f'"{part}": {error}') from error
    return replace(offer, labels=labels)
