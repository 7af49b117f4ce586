"""`podnet start`: start pods that were stopped."""

from __future__ import annotations

import click

from orchestrator.cli.changing import change
from orchestrator.cli.reaching import Reach, reaching


@click.command("start", short_help="Start pods that were stopped.")
@click.argument("targets", nargs=-1, metavar="[SERVICE|POD]...")
@reaching
@click.pass_context
def command(context: click.Context, reach: Reach, targets: tuple[str, ...]) -> None:
    """Start pods that were stopped, or have ended by themselves.

    A service stands for all of its pods; without any name, all pods of the deployment are meant.
    """
    context.exit(change(reach, lambda client: client.start_pods(targets)))
