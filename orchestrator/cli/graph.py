"""`podnet graph`: a picture of a topology file, or of a deployment that runs.

Owns the verb's options. What is drawn, and how, is `orchestrator.graph`'s business.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.codec import DeploymentClient
    from orchestrator.graph import Diagram
    from orchestrator.topology.loader import Reading
    from orchestrator.views.deployment import DeploymentView, LinkView


class TopologyLostError(OrchestratorError):
    """The topology of a running deployment does not read as it did when it was started."""

    def __init__(self, deployment: str, reason: str) -> None:
        super().__init__(deployment, reason)
        self.deployment, self.reason = deployment, reason

    def __str__(self) -> str:
        return (
            f'the topology of deployment "{self.deployment}" cannot be drawn: {self.reason}; set '
            'the variables that "podnet up" had, or draw its FILE'
        )


def _shortcut(name: str, text: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(f"--{name}", "form", flag_value=name, help=text)


@click.command("graph", short_help="Draw a topology, or a deployment.")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=str), required=False)
@click.option("-d", "--deployment", metavar="NAME", help="Draw this deployment, as it is now.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "dot", "mermaid", "svg", "json"]),
    default="text",
    show_default=True,
)
@_shortcut("dot", "The same as --format dot, for Graphviz.")
@_shortcut("mermaid", "The same as --format mermaid, for Markdown pages.")
@_shortcut("svg", "The same as --format svg, for browsers.")
@click.pass_context
def command(context: click.Context, file: str | None, deployment: str | None, form: str) -> None:
    """Draw a topology or a deployment: networks, services, links, policies and portals.

    FILE may be - for standard input. Without it, the deployment that runs is drawn as it is now:
    with its links, those changed marked, its partitions and holds, and the states of its pods. The
    picture goes to standard output; the exit status is 1 when the topology is not valid.
    """
    if file is not None and deployment is not None:
        raise click.UsageError("give FILE or -d, not both")
    diagram = _running(deployment) if file is None else _declared(file)
    if diagram is None:
        context.exit(1)
    click.echo(_drawn(diagram, form), nl=False)


def _declared(file: str) -> Diagram | None:
    from orchestrator.desired.plan import make_plan
    from orchestrator.graph import make_diagram
    from orchestrator.topology.links import declared_links
    from orchestrator.topology.loader import read_topology
    from orchestrator.topology.render import render_problems

    reading = read_topology(file, os.environ)
    if reading.problems:
        click.echo(render_problems(reading.problems), err=True)
    if reading.topology is None:
        return None
    plan = make_plan(reading.topology, state_dir=Path())
    return make_diagram(reading.topology, plan, declared_links(reading.topology))


def _running(deployment: str | None) -> Diagram:
    """Draw what runs: a text is all that a deployment keeps of its topology."""
    from orchestrator.cli.reaching import find_deployment
    from orchestrator.desired.plan import make_plan
    from orchestrator.graph import is_plan_of, leases_of, make_live_diagram, scaled_as

    view, links = find_deployment(deployment).call(_ask)
    reading = _read_again(view)
    if reading.topology is None:
        raise TopologyLostError(view.name, str(reading.errors[0]))
    topology = scaled_as(reading.topology, view)
    plan = make_plan(topology, state_dir=Path(), leases=leases_of(view))
    if not is_plan_of(plan, view):
        raise TopologyLostError(view.name, "it gives other pods or addresses here")
    return make_live_diagram(topology, plan, view, links)


async def _ask(client: DeploymentClient) -> tuple[DeploymentView, list[LinkView]]:
    return await client.describe(), await client.links()


def _read_again(view: DeploymentView) -> Reading:
    from orchestrator.topology.loader import read_topology_bytes

    path = Path(view.topology_path or "-")
    return read_topology_bytes(view.topology_text.encode(), str(path), path.parent, os.environ)


def _drawn(diagram: Diagram, form: str) -> str:
    from orchestrator.graph import draw_dot, draw_mermaid, draw_svg, draw_text

    if form == "json":
        return json.dumps(asdict(diagram), indent=2) + "\n"
    drawings = {"text": draw_text, "dot": draw_dot, "mermaid": draw_mermaid, "svg": draw_svg}
    return drawings[form](diagram)
