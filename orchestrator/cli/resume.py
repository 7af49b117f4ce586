"""`podnet resume`: let paused pods go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.acting import act
from orchestrator.cli.options import format_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("resume", short_help="Let paused pods go on.")
@click.argument("targets", nargs=-1, required=True, metavar="SERVICE|POD...")
@format_option
@reaching
def command(reach: Reach, targets: tuple[str, ...], form: str) -> None:
    """Let paused pods go on."""
    from orchestrator.network.changes import PodVerb

    act(reach, PodVerb.RESUME, targets, form=form)
