"""`podnet portal ls|open|close`: ways from this machine to ports of services.

Owns the verbs' options and layout. Portals of the topology open with it; those that are opened here
stay until they are closed or the deployment ends, whoever is killed meanwhile.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cli.reaching import Reach
    from orchestrator.views.deployment import PortalView

_TARGET = re.compile(r"(?P<service>[^:]+):(?P<port>[0-9]{1,5})", re.ASCII)


@click.group("portal", short_help="List, open and close portals.")
def command() -> None:
    """List, open and close portals of a running deployment."""


@command.command("ls")
@format_option
@reaching
def list_portals(reach: Reach, form: str) -> None:
    """List the open portals with their URLs, the pods behind them, and who wanted them.

    FROM is "topology" for the ports that it declares, and "opened" for "podnet portal open".
    """
    portals = reach.call(lambda client: client.portals())
    if form == "json":
        print_json([asdict(one.portal) | {"origin": one.origin} for one in portals])
    elif portals:
        _print_table(portals)
    else:
        click.echo('no portal is open; open one with for example "podnet portal open web:8000"')


@command.command("open")
@click.argument("target", metavar="SERVICE:PORT")
@click.option(
    "--host-port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="A port of this machine for this portal alone, reached as localhost:PORT.",
)
@format_option
@reaching
def open_portal(reach: Reach, target: str, host_port: int | None, form: str) -> None:
    """Open a portal to a port of a service, and print its URL."""
    service, port = _split(target)
    portal = reach.call(lambda client: client.open_portal(service, port, host_port or 0))
    if form == "json":
        print_json(portal)
    else:
        click.echo(portal.url)


@command.command("close")
@click.argument("target", metavar="SERVICE[:PORT]")
@format_option
@reaching
def close_portals(reach: Reach, target: str, form: str) -> None:
    """Close the portal to a port of a service, or all of the service's."""
    service, port = _split(target) if ":" in target else (target, 0)
    portals = reach.call(lambda client: client.close_portals(service, port))
    if form == "json":
        print_json(portals)
    else:
        click.echo(f"closed: {', '.join(f'{p.service}:{p.port}' for p in portals)}")


def _split(target: str) -> tuple[str, int]:
    match = _TARGET.fullmatch(target)
    if match is None or not 0 < int(match["port"]) <= 65_535:
        raise click.UsageError(f'"{target}" is no SERVICE:PORT; write for example web:8000')
    return match["service"], int(match["port"])


def _print_table(portals: Sequence[PortalView]) -> None:
    from orchestrator.cli.pictures import table

    rows: list[tuple[str, ...]] = [("SERVICE", "PORT", "URL", "FROM", "PODS")]
    rows.extend(
        (
            portal.service,
            str(portal.port),
            portal.url,
            view.origin.value,
            ", ".join(backend.pod for backend in portal.backends) or "none is ready",
        )
        for view in portals
        for portal in (view.portal,)
    )
    click.echo(table(rows, colours=False), nl=False)
