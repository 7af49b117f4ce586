"""`podnet stop`: end pods until somebody starts them."""

from __future__ import annotations

import click

from orchestrator.cli.changing import change, timeout_option
from orchestrator.cli.reaching import Reach, reaching


@click.command("stop", short_help="End pods until they are started again.")
@click.argument("targets", nargs=-1, metavar="[SERVICE|POD]...")
@timeout_option
@reaching
@click.pass_context
def command(
    context: click.Context, reach: Reach, targets: tuple[str, ...], grace_s: float | None
) -> None:
    """End pods in order, and keep them from starting again until "podnet start" or "podnet up".

    A service stands for all of its pods; without any name, all pods of the deployment are meant.
    """
    context.exit(change(reach, lambda client: client.stop_pods(targets, grace_s)))
