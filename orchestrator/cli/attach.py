"""`podnet attach`: be connected to the main process of a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.detaching import DEFAULT_KEYS, read_keys
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


def _keys(context: click.Context, parameter: click.Parameter, text: str) -> bytes:
    """Read keys; a click callback."""
    try:
        return read_keys(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command("attach", short_help="Connect to the main process of a pod.")
@click.option("--no-stdin", is_flag=True, help="Pass no input on.")
@click.option(
    "--detach-keys",
    "keys",
    default=DEFAULT_KEYS,
    callback=_keys,
    metavar="KEYS",
    help=f"What leaves a terminal; by default {DEFAULT_KEYS}.",
)
@click.option("--index", type=click.IntRange(1), default=None, help="Which replica of a service.")
@click.argument("target", metavar="SERVICE|POD")
@reaching
def command(reach: Reach, no_stdin: bool, keys: bytes, index: int | None, target: str) -> int:
    """Connect to the main process of a pod: what it writes from now on, and what it reads.

    It reads where its service has "stdin_open: true"; otherwise nothing is passed on. Where the
    service has "tty: true", too, every key goes to its terminal, Ctrl-C included, and ctrl-p ctrl-q
    leaves; anywhere else, Ctrl-C leaves. The pod goes on then. When it ends meanwhile, its exit
    status is this command's.
    """
    from orchestrator.cli.attachment import Attachment, run

    wanted = Attachment(target=target, index=index or 0, passes_input=not no_stdin, keys=keys)
    return run(reach, wanted)
