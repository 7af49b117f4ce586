"""`podnet graph`: a picture of a topology file.

Owns the verb's options. What is drawn, and how, is `orchestrator.graph`'s business.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.graph import Diagram


def _shortcut(name: str, text: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(f"--{name}", "form", flag_value=name, help=text)


@click.command("graph", short_help="Draw a topology.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=str))
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
def command(context: click.Context, file: str, form: str) -> None:
    """Draw the topology FILE: networks, services, links, policies and portals.

    FILE may be - for standard input. The picture goes to standard output; the exit status is 1 when
    the topology is not valid.
    """
    diagram = _read(file)
    if diagram is None:
        context.exit(1)
    click.echo(_drawn(diagram, form), nl=False)


def _read(file: str) -> Diagram | None:
    from orchestrator.graph import make_diagram
    from orchestrator.plan import make_plan
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


def _drawn(diagram: Diagram, form: str) -> str:
    from orchestrator.graph import draw_dot, draw_mermaid, draw_svg, draw_text

    if form == "json":
        return json.dumps(asdict(diagram), indent=2) + "\n"
    drawings = {"text": draw_text, "dot": draw_dot, "mermaid": draw_mermaid, "svg": draw_svg}
    return drawings[form](diagram)
