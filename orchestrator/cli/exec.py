"""`podnet exec`: run a program in a pod, beside its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching_without_t

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


def read_variable(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Read options such as `NAME=VALUE`; a click callback."""
    pairs = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator or "\0" in text:
            raise click.BadParameter(f'"{text}" is not NAME=VALUE', context, parameter)
        pairs.append((name, value))
    return tuple(pairs)


def read_folder(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Read a folder in a pod; a click callback."""
    if text and not text.startswith("/"):
        raise click.BadParameter(f'"{text}" is no absolute path', context, parameter)
    return text


@click.command(
    "exec",
    short_help="Run a program in a pod, beside its own.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Give the program a terminal.")
@click.option(
    "-T", "--no-tty", is_flag=True, help="Give it none, as without -t; for those who know Compose."
)
@click.option(
    "-e",
    "--env",
    "variables",
    multiple=True,
    callback=read_variable,
    metavar="NAME=VALUE",
    help="A variable beside the pod's own.",
)
@click.option(
    "-w", "--workdir", default="", callback=read_folder, metavar="DIR", help="Where it starts."
)
@click.option("--index", type=click.IntRange(1), default=None, help="Which replica of a service.")
@click.argument("target", metavar="SERVICE|POD")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
@reaching_without_t
def command(
    reach: Reach,
    interactive: bool,
    tty: bool,
    no_tty: bool,
    variables: tuple[tuple[str, str], ...],
    workdir: str,
    index: int | None,
    target: str,
    program: tuple[str, ...],
) -> int:
    """Run a PROGRAM of its image in a pod: same files, same addresses.

    Standard input is passed on with -i, or when it is no terminal. Ctrl-C interrupts the program.
    Its exit status is this command's; 126 says that it could not be run.
    """
    from orchestrator.cli.programs import Program, run

    words = program[1:] if program[0] == "--" else program
    if not words:
        raise click.UsageError("name a program")
    if tty and no_tty:
        raise click.UsageError("give -t or -T, not both")
    if tty and not sys.stdin.isatty():
        raise click.UsageError("-t needs a terminal as standard input; leave it out here")
    wanted = Program(
        target=target,
        index=index or 0,
        command=words,
        environment=variables,
        working_dir=workdir,
        interactive=interactive or tty or not sys.stdin.isatty(),
        terminal=tty,
    )
    return run(reach, wanted)
