"""`podnet hold`: keep all traffic between groups of pods waiting, until it is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import duration_option, format_option
from orchestrator.cli.parting import SidesCommand, begin_fault
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command(
    "hold", cls=SidesCommand, short_help="Keep all traffic between groups of pods waiting."
)
@click.argument("sides", nargs=-1, required=True, metavar="SIDE SIDE...")
@click.option("--oneway", is_flag=True, help="Hold only what the first side sends to the second.")
@click.option("--name", metavar="NAME", help="What to call it; by default hold-1 and so on.")
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
    """Keep all traffic between groups of pods waiting.

    A side is a service or a pod, or several joined by commas: "podnet hold web api,store".
    Separators do as well: "podnet hold web / api store", or | in quotes, or : or --. Traffic
    within a side goes on. Packets go on in their order after "podnet release".
    """
    from vnet.configuration import FaultKind

    begin_fault(
        reach, FaultKind.HOLD, sides, oneway=oneway, name=name, duration_s=duration_s, form=form
    )
