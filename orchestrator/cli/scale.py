"""`podnet scale`: change numbers of replicas."""

from __future__ import annotations

import click

from orchestrator.cli.changing import change
from orchestrator.cli.reaching import Reach, reaching

MOST = 10_000
"""As in a topology."""


@click.command("scale", short_help="Change numbers of replicas.")
@click.argument("wanted", nargs=-1, required=True, metavar="SERVICE=N...")
@reaching
@click.pass_context
def command(context: click.Context, reach: Reach, wanted: tuple[str, ...]) -> None:
    """Change the number of replicas of services, for example web=3.

    It stays so, also when the same topology is applied again, until the file's own number changes.
    """
    replicas = dict(map(read_scale, wanted))
    context.exit(change(reach, lambda client: client.scale(replicas)))


def read_scale(text: str) -> tuple[str, int]:
    """Read `SERVICE=N`.

    Raises:
        BadParameter: it is none.
    """
    service, equals, number = text.partition("=")
    if not (service and equals and number.isascii() and number.isdigit()):
        raise click.BadParameter(f'expected SERVICE=N, for example web=3, found "{text}"')
    if len(number) > len(str(MOST)) or int(number) > MOST:
        raise click.BadParameter(f"a service has at most {MOST:,} replicas")
    return service, int(number)
