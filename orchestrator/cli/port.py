"""`podnet port`: where a port of a service is found on this machine, as Compose says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.reaching import reaching
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach


class NotPublishedError(OrchestratorError):
    """No portal leads to a port."""

    def __init__(self, service: str, port: int, others: tuple[int, ...]) -> None:
        super().__init__(service, port, others)
        self.service, self.port, self.others = service, port, others

    def __str__(self) -> str:
        there = f"; portals lead to {', '.join(map(str, self.others))}" if self.others else ""
        return (
            f"no portal leads to port {self.port} of {self.service}{there}; open one with "
            f'"podnet portal open {self.service}:{self.port}"'
        )


@click.command("port", short_help="Say where a port of a service is on this machine.")
@click.argument("service")
@click.argument("port", type=click.IntRange(1, 65_535))
@format_option
@reaching
def command(reach: Reach, service: str, port: int, form: str) -> None:
    """Print the host and port of this machine that lead to PORT of SERVICE.

    A portal that shares the node's port answers to its own host name only.
    """
    listed = reach.call(lambda client: client.portals())
    own = [portal for portal in (view.portal for view in listed) if portal.service == service]
    found = next((portal for portal in own if portal.port == port), None)
    if found is None:
        raise NotPublishedError(service, port, tuple(portal.port for portal in own))
    if form == "json":
        print_json({"url": found.url, "host_port": found.host_port})
    else:
        click.echo(found.url.removeprefix("http://").rstrip("/"))
