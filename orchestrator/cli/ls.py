"""`podnet ls`: the deployments of this machine, and whether each runs.

Owns the verb's options and layout, and the words for how a deployment is.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.ps import ask

if TYPE_CHECKING:
    from orchestrator.views.deployment import DeploymentView

RUNNING = "running"
ORPHANED = "orphaned"
"""Its orchestrator was killed, and its pods run on."""
LOST = "lost"
"""Its orchestrator was killed, and its pods are gone."""
DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRow:
    """One deployment."""

    name: str
    status: str
    ready: int = 0
    """Pods that are."""
    desired: int = 0
    """Pods that are to run."""
    started_at: str | None = None
    revision: int = 0
    topology: str = ""
    """Its file; empty when it came from standard input, or is not known."""
    process_id: int = 0
    """Its orchestrator's."""


@click.command("ls", short_help="List deployments.")
@click.option("-a", "--all", "every", is_flag=True, help="Also those that are down.")
@click.option("-q", "--quiet", is_flag=True, help="Only their names.")
@format_option
def command(every: bool, quiet: bool, form: str) -> None:
    """List the deployments that run on this machine, and those that should.

    "orphaned" says that its orchestrator was killed and its pods run on, "lost" that its pods are
    gone, too; "podnet up FILE" takes care of both, and so does "podnet down NAME".
    """
    rows = _rows(asyncio.run(ask(())), every=every)
    if form == "json":
        print_json(rows)
    elif quiet:
        click.echo("".join(f"{row.name}\n" for row in rows), nl=False)
    else:
        _print_table(rows)


def _rows(running: dict[str, DeploymentView], *, every: bool) -> list[DeploymentRow]:
    from orchestrator.cli.orphans import find_orphan
    from orchestrator.cli.remoting import remote_address
    from orchestrator.store.state import DeploymentFolder, known_deployments, state_root

    rows = {name: _running(name, view) for name, view in running.items()}
    if remote_address() is not None:
        return list(rows.values())
    root = state_root(os.environ)
    for name in known_deployments(root):
        if name in rows:
            continue
        orphan = find_orphan(DeploymentFolder(root, name))
        if orphan is not None:
            status = ORPHANED if orphan.node_process_id else LOST
            rows[name] = DeploymentRow(name=name, status=status)
        elif every:
            rows[name] = DeploymentRow(name=name, status=DOWN)
    return sorted(rows.values(), key=lambda row: row.name)


def _running(name: str, view: DeploymentView) -> DeploymentRow:
    from orchestrator.views.moments import moment_text

    return DeploymentRow(
        name=name,
        status=RUNNING,
        ready=sum(pod.ready for pod in view.pods),
        desired=sum(service.desired_pods for service in view.services),
        started_at=moment_text(view.started_at_s),
        revision=view.revision,
        topology=view.topology_path,
        process_id=view.process_id,
    )


def _print_table(rows: list[DeploymentRow]) -> None:
    from orchestrator.cli.pictures import table
    from orchestrator.events.wording import rounded_duration
    from orchestrator.views.moments import parse_moment

    now_s = time.time()
    lines: list[tuple[str, ...]] = [("NAME", "STATUS", "READY", "UP", "TOPOLOGY")]
    lines.extend(
        (
            row.name,
            row.status,
            f"{row.ready} of {row.desired}" if row.status == RUNNING else "-",
            "-"
            if row.started_at is None
            else rounded_duration(max(0.0, now_s - parse_moment(row.started_at, now_s))),
            row.topology or "-",
        )
        for row in rows
    )
    click.echo(table(lines, colours=False), nl=False)
