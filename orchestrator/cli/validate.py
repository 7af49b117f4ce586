"""`podnet validate`: everything that is wrong with a topology file, in one run.

Owns the verb's options and exit status. What is wrong is found by `orchestrator.topology`; how it
looks is decided by its `render` module.
"""

from __future__ import annotations

import os

import click

from orchestrator.cli.options import text_format_option

_EXIT_INVALID = 1


@click.command("validate", short_help="Check a topology file.")
@click.argument("file", metavar="FILE", required=False, type=click.Path(path_type=str))
@text_format_option
@click.option("--schema", is_flag=True, help="Print the JSON schema of topology files and stop.")
@click.pass_context
def command(context: click.Context, file: str | None, form: str, schema: bool) -> None:
    """Check the topology FILE and say everything that is wrong with it.

    FILE may be - for standard input. The exit status is 0 when the topology is valid, 1 when it is
    not.
    """
    if schema:
        _print_schema()
    elif file is None:
        raise click.MissingParameter(param_hint="FILE", param_type="argument", ctx=context)
    elif not _validate(file, form, context.color):
        context.exit(_EXIT_INVALID)


def _print_schema() -> None:
    from orchestrator.topology.schema_json import topology_schema_text

    click.echo(topology_schema_text(), nl=False)


def _validate(file: str, form: str, color: bool | None) -> bool:
    from orchestrator.network.adjacency import unreachable_services
    from orchestrator.topology.loader import read_topology
    from orchestrator.topology.render import (
        count,
        render_problems,
        render_rows,
        render_summary,
    )
    from pod_node.images import absolute_reference

    if os.environ.get("NO_COLOR"):
        color = False
    reading = read_topology(file, os.environ, absolute_reference)
    problems = [*reading.problems]
    if reading.topology is not None:
        problems += unreachable_services(reading.file, reading.topology)
    if form == "json":
        click.echo(render_rows(problems))
        return reading.topology is not None
    if problems:
        click.echo(render_problems(problems), color=color)
    if reading.topology is not None:
        click.echo(render_summary(reading.file, reading.topology), color=color)
        return True
    click.echo(f"{reading.file}: {count(len(reading.errors), 'error')}", err=True)
    return False
