"""`podnet release`: end one hold, or all; what was held goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.mending import end_faults
from orchestrator.cli.options import format_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("release", short_help="Let traffic go that was held.")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="End all holds.")
@format_option
@reaching
def command(reach: Reach, name: str | None, every: bool, form: str) -> None:
    """End the hold NAME, or all with --all; without either, the only one."""
    from vnet.configuration import FaultKind

    end_faults(reach, FaultKind.HOLD, name, every=every, form=form)
