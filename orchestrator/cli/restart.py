"""`podnet restart`: end pods and start them again."""

from __future__ import annotations

import click

from orchestrator.cli.changing import change, timeout_option
from orchestrator.cli.reaching import Reach, reaching


@click.command("restart", short_help="End pods and start them again.")
@click.argument("targets", nargs=-1, metavar="[SERVICE|POD]...")
@timeout_option
@reaching
@click.pass_context
def command(
    context: click.Context, reach: Reach, targets: tuple[str, ...], grace_s: float | None
) -> None:
    """End pods in order and start them again; those that were stopped or have ended, too.

    A service stands for all of its pods; without any name, all pods of the deployment are meant.
    """
    context.exit(change(reach, lambda client: client.restart_pods(targets, grace_s)))
