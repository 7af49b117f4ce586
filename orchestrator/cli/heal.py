"""`podnet heal`: end one partition, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.mending import end_faults
from orchestrator.cli.options import format_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("heal", short_help="End partitions.")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="End all partitions.")
@format_option
@reaching
def command(reach: Reach, name: str | None, every: bool, form: str) -> None:
    """End the partition NAME, or all with --all; without either, the only one."""
    from vnet.configuration import FaultKind

    end_faults(reach, FaultKind.CUT, name, every=every, form=form)
