"""`podnet partition`: cut all traffic between groups of pods, until it is healed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import duration_option, format_option
from orchestrator.cli.parting import SidesCommand, begin_fault
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("partition", cls=SidesCommand, short_help="Cut all traffic between groups of pods.")
@click.argument("sides", nargs=-1, required=True, metavar="SIDE SIDE...")
@click.option("--oneway", is_flag=True, help="Lose only what the first side sends to the second.")
@click.option("--name", metavar="NAME", help="What to call it; by default partition-1 and so on.")
@duration_option
@format_option
@reaching
def command(
    reach: Reach,
    sides: tuple[str, ...],
    oneway: bool,
    name: str | None,
    duration_s: float | None,
    form: str,
) -> None:
    """Cut all traffic between groups of pods.

    A side is a service or a pod, or several joined by commas: "podnet partition web api,store".
    Separators do as well: "podnet partition web / api store", or | in quotes, or : or --. Traffic
    within a side goes on. End it with "podnet heal".
    """
    from vnet.configuration import FaultKind

    begin_fault(
        reach, FaultKind.CUT, sides, oneway=oneway, name=name, duration_s=duration_s, form=form
    )
