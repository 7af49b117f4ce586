"""`podnet down`: end a deployment."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import read_duration

if TYPE_CHECKING:
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.views.progress import Progress


@click.command("down", short_help="End a deployment.")
@click.argument("target", required=False, metavar="[NAME|FILE]")
@click.option("-v", "--volumes", is_flag=True, help="Remove its named volumes, too.")
@click.option(
    "--timeout",
    "grace_s",
    callback=read_duration,
    metavar="TIME",
    help="How long pods may take to end by themselves, for example 5s.",
)
@click.pass_context
def command(
    context: click.Context, target: str | None, volumes: bool, grace_s: float | None
) -> None:
    """End the deployment NAME, or that of the topology FILE, or the only one that runs.

    Its pods and its node end, whether its orchestrator still runs or not. One that does not run is
    no error. Named volumes stay unless -v is given.
    """
    folder = _find(target)
    from orchestrator.process.ending import remove_volumes, take_down

    ended = asyncio.run(take_down(folder, grace_s, _show, lambda text: click.echo(text, err=True)))
    click.echo(f"{folder.name} is down" if ended else f"{folder.name} does not run")
    if volumes:
        for name in remove_volumes(folder):
            click.echo(f"volume {name} removed")


def _find(target: str | None) -> DeploymentFolder:
    from orchestrator.cli.reaching import NoDeploymentError, name_in
    from orchestrator.process.ending import is_running
    from orchestrator.store.state import DeploymentFolder, known_deployments, state_root

    root = state_root(os.environ)
    known = known_deployments(root)
    if target is None:
        running = [name for name in known if is_running(DeploymentFolder(root, name))]
        if not running:
            raise NoDeploymentError("no deployment runs")
        if len(running) > 1:
            names = ", ".join(running)
            raise NoDeploymentError(f"several deployments run: {names}; name one")
        return DeploymentFolder(root, running[0])
    if target in known:
        return DeploymentFolder(root, target)
    if Path(target).is_file():
        return DeploymentFolder(root, name_in(target))
    hint = f"there are: {', '.join(known)}" if known else "there is none"
    raise NoDeploymentError(f'no deployment "{target}" was ever started; {hint}')


def _show(progress: Progress) -> None:
    from orchestrator.views.phases import Phase
    from orchestrator.views.progress import PodAdvanced

    match progress:
        case PodAdvanced(view) if view.phase is Phase.STOPPED:
            click.echo(f"{view.spec.name}: stopped", err=True)
        case _:
            pass
