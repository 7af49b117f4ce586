"""`podnet pause`: keep pods from running for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.acting import act
from orchestrator.cli.options import duration_option, format_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("pause", short_help="Keep pods from running for a while.")
@click.argument("targets", nargs=-1, required=True, metavar="SERVICE|POD...")
@duration_option
@format_option
@reaching
def command(reach: Reach, targets: tuple[str, ...], duration_s: float | None, form: str) -> None:
    """Keep pods from running until they are resumed.

    A service stands for all of its pods that run. The pods' connections stay open and what is sent
    to them waits, as with a process that hangs; their health checks fail.
    """
    from orchestrator.network.changes import PodVerb

    act(reach, PodVerb.PAUSE, targets, duration_s=duration_s, form=form)
