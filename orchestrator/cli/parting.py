"""What `podnet partition` and `podnet hold` have in common: sides, options, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import print_json
from orchestrator.cli.sides import parse_sides

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.network.changes import Part
    from vnet.configuration import FaultKind


class SidesCommand(click.Command):
    """Takes `--` for a separator of sides, which would otherwise end the options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, ["|" if word == "--" else word for word in args])


def begin_fault(
    reach: Reach,
    kind: FaultKind,
    words: tuple[str, ...],
    *,
    oneway: bool,
    name: str | None,
    duration_s: float | None,
    form: str,
) -> None:
    """Begin a partition or a hold and say what it does."""
    from orchestrator.events.wording import fault_text

    wanted = _wanted(kind, words, oneway=oneway, name=name, duration_s=duration_s)
    fault = reach.call(lambda client: client.part(wanted))
    if form == "json":
        print_json(fault)
    else:
        click.echo(fault_text(fault))


def _wanted(
    kind: FaultKind,
    words: tuple[str, ...],
    *,
    oneway: bool,
    name: str | None,
    duration_s: float | None,
) -> Part:
    from orchestrator.network.changes import Part

    try:
        sides = parse_sides(words)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Part(kind=kind, groups=sides, oneway=oneway, name=name, duration_s=duration_s)
