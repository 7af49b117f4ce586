"""`podnet inspect`: everything that is known about a service, a pod or a link.

Owns the verb's options and exit status. The texts are `inspection.py`'s business, whether a policy
allows a connection is `verdicts.py`'s.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import DeploymentView, LinkView
    from vnet.configuration import Protocol
    from vnet.statistics import NetworkStatistics

_TARGET = re.compile(r"(?P<name>[^:/]+):(?P<port>[0-9]{1,5})(?:/(?P<protocol>tcp|udp))?")
_PORT_MOST = 65_535


@click.command("inspect", short_help="Show everything about a service, a pod or a link.")
@click.argument("name", metavar="[SERVICE|POD|LINK]", required=False)
@click.option(
    "--connect",
    nargs=2,
    metavar="A B:PORT",
    help="Say whether A may connect to B, and which policies decide; B:53/udp for UDP.",
)
@format_option
@reaching
@click.pass_context
def command(
    context: click.Context,
    reach: Reach,
    name: str | None,
    connect: tuple[str, str] | None,
    form: str,
) -> None:
    """Show everything that is known about a service, a pod or a link.

    A link is written as in "podnet netstat --links", for example web--api@back. With --connect, the
    exit status is 1 when the connection would be denied.
    """
    if (name is None) is (connect is None):
        raise click.UsageError("give either a name or --connect A B:PORT")
    if connect is not None:
        context.exit(_explain(reach, *connect, form=form))
    assert name is not None, "checked above"
    view, links, statistics = reach.call(_ask)
    _show(view, links, statistics, name, form)


async def _ask(
    client: DeploymentClient,
) -> tuple[DeploymentView, list[LinkView], NetworkStatistics]:
    return (
        await client.describe(),
        await client.links(),
        await client.network_statistics(flows=True),
    )


def _show(
    view: DeploymentView,
    links: list[LinkView],
    statistics: NetworkStatistics,
    name: str,
    form: str,
) -> None:
    from orchestrator.cli.inspection import link_text, member_text
    from orchestrator.cli.selection import Selection

    link = next((link for link in links if link.name == name), None)
    if link is not None:
        counted = [one for one in statistics.links if one.link == name]
        if form == "json":
            print_json({"link": link, "statistics": counted})
        else:
            click.echo(link_text(link, counted), nl=False)
        return
    selection = Selection(view, links, name)
    chosen = selection.of(statistics)
    if form == "json":
        policies = selection.policies
        print_json(
            {
                "pods": selection.pods,
                "links": selection.links,
                "policies": policies,
                "statistics": chosen,
            }
        )
    else:
        click.echo(member_text(view, selection, chosen), nl=False)


def _explain(reach: Reach, source: str, target: str, *, form: str) -> int:
    from orchestrator.cli.explanation import explain

    name, port, protocol = _split(target)
    view = reach.call(lambda client: client.describe())
    explanation = explain(view, source, name, port, protocol)
    if form == "json":
        print_json(explanation)
    else:
        click.echo(explanation.text, nl=False)
    return 0 if explanation.allowed else 1


def _split(target: str) -> tuple[str, int, Protocol]:
    from vnet.configuration import Protocol

    match = _TARGET.fullmatch(target)
    if match is None or not 0 < int(match["port"]) <= _PORT_MOST:
        raise click.UsageError(f'"{target}" is no B:PORT; write for example api:8000 or dns:53/udp')
    return match["name"], int(match["port"]), Protocol(match["protocol"] or "tcp")
