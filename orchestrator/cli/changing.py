"""What `podnet scale`, `stop`, `start` and `restart` have in common: what they show of a change.

Owns the printing of progress and the exit status: 1 when a pod could not be started.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import read_duration

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Progress

timeout_option = click.option(
    "--timeout",
    "grace_s",
    callback=read_duration,
    metavar="TIME",
    help="How long pods may take to end by themselves, for example 5s.",
)


def change(
    reach: Reach, begin: Callable[[DeploymentClient], AsyncGenerator[Progress, None]]
) -> int:
    """Change a deployment and show what becomes of it; return the exit status."""

    async def work(client: DeploymentClient) -> int:
        status = 0
        async with aclosing(begin(client)) as steps:
            async for step in steps:
                status = max(status, _show(step))
        return status

    return reach.follow(work)


def _show(progress: Progress) -> int:
    """Show one step of progress; return what it does to the exit status."""
    from orchestrator.views.progress import (
        Noticed,
        PodAdvanced,
        PodRemoved,
        RolloutAdvanced,
        StepsPlanned,
    )

    match progress:
        case StepsPlanned(steps, _):
            for step in steps:
                click.echo(str(step))
            if not steps:
                click.echo("nothing to do")
        case PodAdvanced(view):
            return _show_pod(view)
        case PodRemoved(pod):
            click.echo(f"{pod}: removed")
        case RolloutAdvanced(rollout):
            click.echo(str(rollout))
        case Noticed(text, failure):
            click.echo(text, err=True)
            return int(failure)
        case _:
            pass
    return 0


def _show_pod(view: PodView) -> int:
    from orchestrator.cli.pictures import state_text
    from orchestrator.views.phases import Phase

    if not view.phase.pending and view.phase not in (Phase.STARTING, Phase.STOPPING):
        click.echo(f"{view.spec.name}: {state_text(view)}")
    return int(view.phase in (Phase.FAILED, Phase.BLOCKED))
