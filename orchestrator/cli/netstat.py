"""`podnet netstat`: sockets, links, interfaces and policy rules of a running deployment, counted.

Owns the verb's options. What concerns whom is `selection.py`'s business, the tables are
`counters.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import DeploymentView, LinkView
    from vnet.statistics import NetworkStatistics


@click.command("netstat", short_help="Count sockets, links, interfaces and policy rules.")
@click.argument("name", metavar="[SERVICE|POD]", required=False)
@click.option("--flows", is_flag=True, help="Sockets; the default.")
@click.option("--links", is_flag=True, help="Links: packets, and what became of them.")
@click.option("--interfaces", is_flag=True, help="Interfaces of pods.")
@click.option("--rules", is_flag=True, help="Policy rules: connections allowed and denied.")
@format_option
@reaching
def command(
    reach: Reach,
    name: str | None,
    flows: bool,
    links: bool,
    interfaces: bool,
    rules: bool,
    form: str,
) -> None:
    """Show the counters of the network: all of them, or those that concern a SERVICE or POD."""
    from orchestrator.cli.counters import section_text
    from orchestrator.cli.selection import Selection

    flows = flows or not (links or interfaces or rules)
    view, link_views, statistics = reach.call(lambda client: _ask(client, flows=flows))
    chosen = Selection(view, link_views, name).of(statistics)
    wanted = {"flows": flows, "links": links, "interfaces": interfaces, "policies": rules}
    sections = {section: getattr(chosen, section) for section, shown in wanted.items() if shown}
    if form == "json":
        print_json({"time_s": chosen.time_s, **sections})
    else:
        texts = (section_text(section, chosen, view.configuration) for section in sections)
        click.echo("\n".join(texts), nl=False)


async def _ask(
    client: DeploymentClient, *, flows: bool
) -> tuple[DeploymentView, list[LinkView], NetworkStatistics]:
    return (
        await client.describe(),
        await client.links(),
        await client.network_statistics(flows=flows),
    )
