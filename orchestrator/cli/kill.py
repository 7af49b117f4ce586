"""`podnet kill`: end pods at once, as a crash would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.acting import act
from orchestrator.cli.options import format_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("kill", short_help="End pods at once, as a crash would.")
@click.argument("targets", nargs=-1, required=True, metavar="SERVICE|POD...")
@format_option
@reaching
def command(reach: Reach, targets: tuple[str, ...], form: str) -> None:
    """End pods at once, as a crash would.

    A service stands for all of its pods that run. Their connections are reset, and whether they
    start again is for the restart policy of their service to say.
    """
    from orchestrator.changes import PodVerb

    act(reach, PodVerb.KILL, targets, form=form)
