"""`podnet shell`: the shell of a pod's image, or its interpreter, with a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


@click.command("shell", short_help="Open the shell of a pod's image.")
@click.option("--index", type=click.IntRange(1), default=None, help="Which replica of a service.")
@click.argument("target", metavar="SERVICE|POD")
@reaching
def command(reach: Reach, index: int | None, target: str) -> int:
    """Talk to a pod: open the shell of its image, or its interpreter, in this terminal.

    Ctrl-D leaves it, Ctrl-C interrupts what runs in it.
    """
    from orchestrator.cli.programs import Program, run

    terminal = sys.stdin.isatty()
    wanted = Program(
        target=target, index=index or 0, command=(), interactive=True, terminal=terminal
    )
    return run(reach, wanted)
