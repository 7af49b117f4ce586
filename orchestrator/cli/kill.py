"""`podnet kill`: end pods at once, as a crash would, or send them another signal."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from orchestrator.cli.acting import act
from orchestrator.cli.options import format_option, print_json, read_signal
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("kill", short_help="End pods at once, as a crash would.")
@click.argument("targets", nargs=-1, required=True, metavar="SERVICE|POD...")
@click.option(
    "-s",
    "--signal",
    "number",
    callback=read_signal,
    metavar="SIGNAL",
    help="Send this to the main process instead, for example TERM, HUP or 10.",
)
@format_option
@reaching
def command(reach: Reach, targets: tuple[str, ...], number: int | None, form: str) -> None:
    """End pods at once, as a crash would.

    A service stands for all of its pods that run. Their connections are reset, and whether they
    start again is for the restart policy of their service to say.
    """
    from orchestrator.network.changes import PodVerb

    if number is not None and number != signal.SIGKILL:
        from orchestrator.events.wording import signal_text

        sent = number
        pods = reach.call(lambda client: client.signal_pods(targets, sent))
        if form == "json":
            print_json(pods)
        else:
            click.echo(signal_text(number, pods))
        return
    act(reach, PodVerb.KILL, targets, form=form)
